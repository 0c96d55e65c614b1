// Package export_baton_relay_on_delivered is the hook on-delivered.
package export_baton_relay_on_delivered

import (
	"fmt"

	context "wit_component/baton_relay_context"
	deliveries "wit_component/baton_relay_deliveries"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnDelivered notes which attempt it was.
func OnDelivered(attempt deliveries.Attempt, reply types.Reply) wit.Result[wit.Unit, string] {
	context.SetTag("delivered", fmt.Sprint(attempt.Number))
	return say.Ok(wit.Unit{})
}
