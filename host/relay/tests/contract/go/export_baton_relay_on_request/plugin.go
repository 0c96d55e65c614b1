// Package export_baton_relay_on_request is the hook on-request.
package export_baton_relay_on_request

import (
	"fmt"

	http "wit_component/baton_relay_http_types"
	"wit_component/say"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// OnRequest says what was asked.
func OnRequest(request http.Request) wit.Result[http.Response, string] {
	return say.Ok(http.Response{
		Status:  201,
		Headers: []wit.Tuple2[string, string]{{F0: "Content-Type", F1: "text/plain"}},
		Body:    fmt.Appendf(nil, "%s %s %d", request.Method, request.Url, len(request.Body)),
	})
}
