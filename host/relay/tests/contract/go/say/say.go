// Package say shortens what the hooks answer.
package say

import (
	types "wit_component/baton_relay_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Ok is an answer.
func Ok[T any](answer T) wit.Result[T, string] {
	return wit.Ok[T, string](answer)
}

// Err is an error instead of one.
func Err[T any](why string) wit.Result[T, string] {
	return wit.Err[T, string](why)
}

// Next is no opinion.
func Next() wit.Result[types.Decision, string] {
	return Ok(types.MakeDecisionNext())
}

// Reply is a reply from its three pieces.
func Reply(code uint16, status, text string) types.Reply {
	return types.Reply{Code: code, Status: status, Text: text}
}
