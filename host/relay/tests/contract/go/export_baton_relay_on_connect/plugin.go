// Package export_baton_relay_on_connect is the hook on-connect.
package export_baton_relay_on_connect

import (
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnConnect turns one address away.
func OnConnect(session types.Session) wit.Result[types.Decision, string] {
	if session.PeerIp != "192.0.2.66" {
		return say.Next()
	}
	reply := say.Reply(421, "4.7.0", "Bye "+session.Helo.SomeOr("nobody"))
	return say.Ok(types.MakeDecisionDisconnect(reply))
}
