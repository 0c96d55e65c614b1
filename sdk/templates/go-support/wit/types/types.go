// Package wit_types holds the types of the component model that Go has no own word for.
package wit_types

// Tags of an Option.
const (
	OptionNone = 0
	OptionSome = 1
)

// Tags of a Result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Option is a value or none.
type Option[T any] struct {
	some  bool
	value T
}

// Some is that value.
func Some[T any](value T) Option[T] { return Option[T]{some: true, value: value} }

// None is no value.
func None[T any]() Option[T] { return Option[T]{} }

// IsSome tells whether there is one.
func (o Option[T]) IsSome() bool { return o.some }

// IsNone tells whether there is none.
func (o Option[T]) IsNone() bool { return !o.some }

// Tag is OptionSome or OptionNone.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some is the value; it panics where there is none.
func (o Option[T]) Some() T {
	if !o.some {
		panic("there is no value")
	}
	return o.value
}

// SomeOr is the value, or another where there is none.
func (o Option[T]) SomeOr(other T) T {
	if o.some {
		return o.value
	}
	return other
}

// Result is a value or an error.
type Result[T any, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is success with that value.
func Ok[T any, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err is failure with that error.
func Err[T any, E any](err E) Result[T, E] { return Result[T, E]{failed: true, err: err} }

// IsOk tells whether it is success.
func (r Result[T, E]) IsOk() bool { return !r.failed }

// IsErr tells whether it is failure.
func (r Result[T, E]) IsErr() bool { return r.failed }

// Tag is ResultOk or ResultErr.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is the value; it panics on failure.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("it failed")
	}
	return r.value
}

// Err is the error; it panics on success.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("it did not fail")
	}
	return r.err
}

// Unit is nothing.
type Unit struct{}

// Tuple2 is two values.
type Tuple2[A any, B any] struct {
	F0 A
	F1 B
}
