// Package export_baton_relay_on_data is the hook on-data; each hook is a package of its name. This one notes in a header how many
// recipients a message had. Change it to what you want: every hook and every function is described in the folder wit, and the
// hooks you write stand in wit/plugin.wit too.
package export_baton_relay_on_data

import (
	"strconv"

	config "wit_component/baton_relay_config"
	message "wit_component/baton_relay_message"
	types "wit_component/baton_relay_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnData is called once for each message, when all of it was received.
func OnData(session types.Session, envelope types.Envelope) wit.Result[types.Decision, string] {
	// [plugins.my-plugin] of the relay's configuration.
	header := config.Get("header").SomeOr("X-Recipients")
	count := strconv.Itoa(len(envelope.Recipients))
	if message.PrependHeader(header, count).IsErr() {
		// An error is a fault: the operator's policy decides about the mail.
		return wit.Err[types.Decision, string]("the header cannot be added")
	}
	return wit.Ok[types.Decision, string](types.MakeDecisionNext())
}
