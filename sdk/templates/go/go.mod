// The generated bindings call the module so.
module wit_component

go 1.24

require go.bytecodealliance.org/pkg v0.2.3

// Written by `baton plugin build`, with the bindings.
replace go.bytecodealliance.org/pkg => ./build/pkg
