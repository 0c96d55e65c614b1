// Package export_baton_relay_on_rcpt is the hook on-rcpt.
package export_baton_relay_on_rcpt

import (
	rcpt "wit_component/baton_relay_on_rcpt"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnRcpt knows a list of two, and a mailbox that is none.
func OnRcpt(
	session types.Session, envelope types.Envelope, recipient types.Recipient,
) wit.Result[rcpt.RecipientDecision, string] {
	decision := types.MakeDecisionNext()
	switch recipient.Address.Local {
	case "list":
		domain := recipient.Address.Domain
		to := []types.Mailbox{{Local: "one", Domain: domain}, {Local: "two", Domain: domain}}
		return say.Ok(rcpt.MakeRecipientDecisionRewrite(to))
	case "nobody":
		decision = types.MakeDecisionReject(say.Reply(550, "5.1.1", "Nobody"))
	}
	return say.Ok(rcpt.MakeRecipientDecisionDecide(decision))
}
