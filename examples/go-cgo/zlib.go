package main

/*
#cgo LDFLAGS: -lz

#include <stdint.h>
#include <zlib.h>

int inflate_stream(uintptr_t handle);
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"runtime/cgo"
	"unsafe"
)

func version() string { return C.GoString(C.zlibVersion()) }

// zlib takes no address for no bytes.
func address(data []byte) *C.Bytef {
	if len(data) == 0 {
		return nil
	}
	return (*C.Bytef)(&data[0])
}

func checksums(data []byte) (crc, adler uint32) {
	length := C.uInt(len(data))
	return uint32(C.crc32(0, address(data), length)), uint32(C.adler32(1, address(data), length))
}

func compress(data []byte) ([]byte, error) {
	// It has 32 bits on Windows.
	length := C.uLongf(C.compressBound(C.uLong(len(data))))
	out := make([]byte, length)
	code := C.compress2(address(out), &length, address(data), C.uLong(len(data)), C.Z_BEST_COMPRESSION)
	if code != C.Z_OK {
		return nil, problem(code)
	}
	return out[:length], nil
}

// decompress wants to know how long the data was at most.
func decompress(data []byte, most int) ([]byte, error) {
	// One byte more, so that there is an address also for no bytes.
	out := make([]byte, most+1)
	length := C.uLongf(most)
	code := C.uncompress(address(out), &length, address(data), C.uLong(len(data)))
	if code != C.Z_OK {
		return nil, problem(code)
	}
	return out[:length], nil
}

func problem(code C.int) error {
	return fmt.Errorf("zlib: %s (%d)", C.GoString(C.zError(code)), int(code))
}

type stream struct {
	in  io.Reader
	out io.Writer
	err error
}

// inflate reads a raw deflate stream, which zlib asks for and gives back a piece at a time, by calls of the functions below.
func inflate(out io.Writer, in io.Reader) error {
	s := &stream{in: in, out: out}
	handle := cgo.NewHandle(s)
	defer handle.Delete()
	code := C.inflate_stream(C.uintptr_t(handle))
	if s.err != nil {
		return s.err
	}
	if code != C.Z_STREAM_END {
		return problem(code)
	}
	return nil
}

//export streamRead
func streamRead(handle C.uintptr_t, buffer *C.uchar, size C.uint) C.uint {
	s := cgo.Handle(handle).Value().(*stream)
	n, err := s.in.Read(unsafe.Slice((*byte)(buffer), int(size)))
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return C.uint(n)
}

//export streamWrite
func streamWrite(handle C.uintptr_t, buffer *C.uchar, size C.uint) C.int {
	s := cgo.Handle(handle).Value().(*stream)
	_, s.err = s.out.Write(unsafe.Slice((*byte)(buffer), int(size)))
	if s.err != nil {
		return 1
	}
	return 0
}
