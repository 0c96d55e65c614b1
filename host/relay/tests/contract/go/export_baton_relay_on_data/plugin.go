// Package export_baton_relay_on_data is the hook on-data.
package export_baton_relay_on_data

import (
	"fmt"
	"strconv"

	config "wit_component/baton_relay_config"
	context "wit_component/baton_relay_context"
	dns "wit_component/baton_relay_dns"
	events "wit_component/baton_relay_events"
	kv "wit_component/baton_relay_kv"
	log "wit_component/baton_relay_log"
	message "wit_component/baton_relay_message"
	types "wit_component/baton_relay_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// The errors of dns as the contract calls them.
var refusals = [...]string{
	dns.ErrorNotGranted: "not-granted",
	dns.ErrorNoSuchName: "no-such-name",
	dns.ErrorNoData:     "no-data",
	dns.ErrorTimeout:    "timeout",
	dns.ErrorFailed:     "failed",
	dns.ErrorBudget:     "budget",
}

// OnData does what the subject says.
func OnData(session types.Session, envelope types.Envelope) wit.Result[types.Decision, string] {
	subject := message.Header("Subject").SomeOr("")
	switch subject {
	case "hold":
		return say.Ok(types.MakeDecisionHold("look"))
	case "dns":
		if found := dns.Texts("a.test"); found.IsErr() {
			context.SetTag("dns", refusals[found.Err()])
		}
		return say.Next()
	}
	// Ok panics where a call fails.
	guest := fmt.Sprintf("%s|%d|%s", subject, len(message.Parts()), config.Get("greeting").SomeOr(""))
	message.AppendHeader("X-Guest", guest).Ok()
	if subject == "fail" {
		return say.Err[types.Decision]("as told")
	}
	message.SetText(0, message.Text(0).Ok()+"-- signed\r\n").Ok()
	seen := kv.Increment("n", 1, wit.None[uint32]()).Ok()
	context.SetTag("seen", strconv.Itoa(int(seen)))
	context.AddScore("GUEST", 1.5, "why")
	log.Log(log.LevelInfo, "hello")
	events.Emit("seen", []wit.Tuple2[string, string]{{F0: "subject", F1: subject}})
	return say.Next()
}
