// Package export_baton_relay_on_report is the hook on-report.
package export_baton_relay_on_report

import (
	deliveries "wit_component/baton_relay_deliveries"
	message "wit_component/baton_relay_message"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnReport reads one header.
func OnReport() wit.Result[[]deliveries.Report, string] {
	recipient := message.Header("X-Final")
	if recipient.IsNone() {
		return say.Ok([]deliveries.Report{})
	}
	return say.Ok([]deliveries.Report{{
		Kind:      deliveries.ReportKindBounce,
		Recipient: recipient,
		Reply:     wit.Some(say.Reply(550, "5.1.1", "gone")),
	}})
}
