// Package export_baton_relay_on_copy is the hook on-copy.
package export_baton_relay_on_copy

import (
	message "wit_component/baton_relay_message"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnCopy notes in a header whose copy it is.
func OnCopy(envelope types.Envelope, recipient types.Recipient) wit.Result[types.Decision, string] {
	to := recipient.Address
	message.PrependHeader("X-To", to.Local+"@"+to.Domain).Ok()
	return say.Next()
}
