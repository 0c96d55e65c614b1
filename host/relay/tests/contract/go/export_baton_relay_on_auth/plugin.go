// Package export_baton_relay_on_auth is the hook on-auth.
package export_baton_relay_on_auth

import (
	auth "wit_component/baton_relay_on_auth"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnAuth knows one identity.
func OnAuth(session types.Session, mechanism, identity, secret string) wit.Result[auth.AuthDecision, string] {
	switch {
	case identity != "joe":
		return say.Ok(auth.MakeAuthDecisionNext())
	case secret == "right":
		return say.Ok(auth.MakeAuthDecisionAllow("joe-" + mechanism))
	default:
		return say.Ok(auth.MakeAuthDecisionDeny())
	}
}
