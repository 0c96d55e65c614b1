// Package export_baton_relay_on_mail is the hook on-mail.
package export_baton_relay_on_mail

import (
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnMail refuses one domain, and says with which parameters.
func OnMail(session types.Session, envelope types.Envelope) wit.Result[types.Decision, string] {
	if envelope.Sender.IsNone() {
		return say.Ok(types.MakeDecisionAccept())
	}
	if envelope.Sender.Some().Domain != "bad.test" {
		return say.Next()
	}
	said := "No"
	for _, one := range envelope.Parameters {
		said += " " + one.Keyword + "=" + one.Value.SomeOr("")
	}
	return say.Ok(types.MakeDecisionReject(say.Reply(550, "5.7.1", said)))
}
