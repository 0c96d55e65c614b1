// Package export_baton_relay_on_reply is the hook on-reply.
package export_baton_relay_on_reply

import (
	deliveries "wit_component/baton_relay_deliveries"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnReply knows one code.
func OnReply(
	attempt deliveries.Attempt, stage deliveries.Stage, reply types.Reply,
) wit.Result[wit.Option[deliveries.Translation], string] {
	if reply.Code != 452 {
		return say.Ok(wit.None[deliveries.Translation]())
	}
	return say.Ok(wit.Some(deliveries.Translation{
		Disposition: deliveries.DispositionSoft,
		Reason:      "mailbox-full",
		Scope:       deliveries.ScopeRecipient,
		Advice:      deliveries.MakeAdviceRetry(wit.Some[uint32](90)),
		Explanation: reply.Text,
		Confidence:  0.5,
		Rule:        reply.Status,
	}))
}
