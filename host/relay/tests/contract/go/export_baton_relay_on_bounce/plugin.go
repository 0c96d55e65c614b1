// Package export_baton_relay_on_bounce is the hook on-bounce.
package export_baton_relay_on_bounce

import (
	deliveries "wit_component/baton_relay_deliveries"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnBounce is silent from the second attempt on.
func OnBounce(attempt deliveries.Attempt, report deliveries.Report) wit.Result[deliveries.BounceDecision, string] {
	if attempt.Number > 1 {
		return say.Ok(deliveries.BounceDecisionSilent)
	}
	return say.Ok(deliveries.BounceDecisionNotify)
}
