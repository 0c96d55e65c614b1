// Package runtime gives memory that the host may write to, and that the garbage collector leaves alone meanwhile.
package runtime

import (
	"runtime"
	"unsafe"
)

// What the host wrote stays until the call it is for is over.
var lent runtime.Pinner

// Go's runtime is up once this package is.
var started bool

func init() { started = true }

// Unpin lets go of what was lent to the host.
func Unpin() { lent.Unpin() }

// Allocate gives memory of that size and alignment that stays where it is until pinner lets go of it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Words of eight bytes have every alignment the component model asks for.
	words := make([]uint64, (size+7)/8)
	memory := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(memory)
	return memory
}

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

// cabiRealloc is what the host calls for memory. Nothing is ever resized: strings and lists come whole.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("memory of the host is not resized")
	}
	if started {
		return Allocate(&lent, size, align)
	}
	// Before the runtime is up, memory comes from below it, and stays.
	memory := uintptr(sbrk(size + align))
	return unsafe.Pointer((memory + align - 1) &^ (align - 1))
}
