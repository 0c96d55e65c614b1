// Package export_baton_relay_on_load is the hook on-load.
package export_baton_relay_on_load

import (
	"strings"

	config "wit_component/baton_relay_config"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnLoad names the hooks that the configuration wants.
func OnLoad() wit.Result[wit.Option[[]string], string] {
	switch wanted := config.Get("wants").SomeOr(""); wanted {
	case "":
		return say.Ok(wit.None[[]string]())
	case "nonsense":
		return say.Err[wit.Option[[]string]]("wants: no such thing")
	default:
		return say.Ok(wit.Some(strings.Split(wanted, " ")))
	}
}
