// Package export_baton_relay_on_feedback is the hook on-feedback.
package export_baton_relay_on_feedback

import (
	deliveries "wit_component/baton_relay_deliveries"
	events "wit_component/baton_relay_events"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnFeedback tells of a complaint, and whose it is where that is known.
func OnFeedback(report deliveries.Report, attempt wit.Option[deliveries.Attempt]) wit.Result[wit.Unit, string] {
	to := attempt.SomeOr(deliveries.Attempt{}).Recipient.Local
	events.Emit("complaint", []wit.Tuple2[string, string]{
		{F0: "type", F1: report.FeedbackType.SomeOr("")},
		{F0: "to", F1: to},
	})
	return say.Ok(wit.Unit{})
}
