// Package export_baton_relay_on_route is the hook on-route.
package export_baton_relay_on_route

import (
	deliveries "wit_component/baton_relay_deliveries"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnRoute has a route for one domain.
func OnRoute(attempt deliveries.Attempt) wit.Result[wit.Option[deliveries.Route], string] {
	domain := attempt.Recipient.Domain
	if domain != "routed.test" {
		return say.Ok(wit.None[deliveries.Route]())
	}
	return say.Ok(wit.Some(deliveries.Route{
		NextHop:  wit.Some("mx:" + domain),
		Port:     wit.Some[uint16](2525),
		Priority: wit.Some[uint8](7),
		Tls:      wit.Some(deliveries.TlsDemandVerify),
	}))
}
