package main

import (
	"crypto/aes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"math"
	"math/big"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func TestSizesAndByteOrder(t *testing.T) {
	// Go's words have 64 bits also on wasm.
	size, order := 8, "little"
	switch runtime.GOARCH {
	case "386", "arm", "mips", "mipsle":
		size = 4
	}
	switch runtime.GOARCH {
	case "s390x", "ppc64", "mips", "mips64":
		order = "big"
	}
	word := uint32(0x01020304)
	found := map[byte]string{1: "big", 4: "little"}[*(*byte)(unsafe.Pointer(&word))]
	if unsafe.Sizeof(int(0)) != uintptr(size) || found != order {
		t.Errorf("%s has words of %d bytes, %s-endian", runtime.GOARCH, unsafe.Sizeof(int(0)), found)
	}
	t.Logf("%s, %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Go has its own assembly for most of these on most processors.
func TestHashesHaveTheirPublishedValues(t *testing.T) {
	million := strings.Repeat("a", 1000000)
	for _, test := range []struct {
		name, in, out string
		hash          hash.Hash
	}{
		{"CRC-32", "123456789", "cbf43926", crc32.NewIEEE()},
		{"CRC-32C", "123456789", "e3069283", crc32.New(crc32.MakeTable(crc32.Castagnoli))},
		{"Adler-32", "Wikipedia", "11e60398", adler32.New()},
		{"MD5", "abc", "900150983cd24fb0d6963f7d28e17f72", md5.New()},
		{"SHA-1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d", sha1.New()},
		{"SHA-256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256.New()},
		{"SHA-256", million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", sha256.New()},
		{"SHA-512/256", "abc", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23", sha512.New512_256()},
	} {
		test.hash.Write([]byte(test.in))
		if out := hex.EncodeToString(test.hash.Sum(nil)); out != test.out {
			t.Errorf("%s of %.9s is %s, not %s", test.name, test.in, out, test.out)
		}
	}
}

func TestAESHasItsPublishedValue(t *testing.T) {
	// FIPS 197, appendix C.1.
	key, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	block, _ := hex.DecodeString("00112233445566778899aabbccddeeff")
	cipher, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.Encrypt(block, block)
	if out := hex.EncodeToString(block); out != "69c4e0d86a7b0430d8cdb78070b4c55a" {
		t.Errorf("got %s", out)
	}
}

func TestNumbers(t *testing.T) {
	// 100! has 158 digits, which add up to 648.
	digits := 0
	for _, digit := range new(big.Int).MulRange(1, 100).String() {
		digits += int(digit - '0')
	}
	if digits != 648 {
		t.Errorf("the digits of 100! add up to %d", digits)
	}
	if got := math.Float64bits(math.Sqrt(2)); got != 0x3ff6a09e667f3bcd {
		t.Errorf("the square root of 2 is %x", got)
	}
	if got := math.Float64bits(math.FMA(0.1, 10, -1)); got != 0x3c90000000000000 {
		t.Errorf("0.1 * 10 - 1 is %x", got)
	}
	// What comes of a number out of range is each processor's own, but of NaN nothing is equal.
	if nan := math.Inf(1) - math.Inf(1); nan == nan || !math.IsNaN(nan) {
		t.Errorf("infinity - infinity is %v", nan)
	}
}

func TestGoroutinesShareMemory(t *testing.T) {
	// 64 bits, which machines of 32 do not add at once.
	count := int64(1) << 32
	var total int
	var lock sync.Mutex
	var workers sync.WaitGroup
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := 0; i < 1000; i++ {
				atomic.AddInt64(&count, 1)
				lock.Lock()
				total++
				lock.Unlock()
			}
		}()
	}
	workers.Wait()
	if count != 1<<32+8000 || total != 8000 {
		t.Errorf("counted %d and %d", count-1<<32, total)
	}
}

func TestChannelsPassAllAlong(t *testing.T) {
	// A sieve: each prime is a goroutine that takes out its multiples.
	numbers := make(chan int)
	go func() {
		for n := 2; n < 500; n++ {
			numbers <- n
		}
		close(numbers)
	}()
	last := 0
	for in := numbers; ; {
		prime, more := <-in
		if !more {
			break
		}
		last = prime
		out := make(chan int)
		go func(in <-chan int) {
			for n := range in {
				if n%prime != 0 {
					out <- n
				}
			}
			close(out)
		}(in)
		in = out
	}
	if last != 499 {
		t.Errorf("the largest prime below 500 is %d", last)
	}
}

func TestABusyGoroutineIsInterrupted(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("wasm has no signals, and no threads")
	}
	if runtime.GOOS+runtime.GOARCH == "windows386" {
		t.Skip("wine 8.0 does not stop threads of 32-bit programs in a loop")
	}
	// With one thread for Go, another goroutine runs only after a signal (on Windows: a thread of the runtime) stopped this loop.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var done int32
	go atomic.StoreInt32(&done, 1)
	for turn := int64(0); atomic.LoadInt32(&done) == 0; turn++ {
		if turn == 1<<32 {
			t.Fatal("no other goroutine ran")
		}
	}
}

func TestAFaultIsAPanic(t *testing.T) {
	// The system's signal, handled by Go's runtime: an emulator must tell it the same address and instruction.
	defer func() {
		err, _ := recover().(runtime.Error)
		if err == nil || !strings.Contains(err.Error(), "nil pointer") {
			t.Errorf("recovered %v", err)
		}
	}()
	var nothing *file
	t.Log(nothing.Size)
}

func TestTimeAndEnvironment(t *testing.T) {
	start := time.Now()
	if year := start.UTC().Year(); year < 2020 || year > 2100 {
		t.Errorf("it is the year %d", year)
	}
	time.Sleep(20 * time.Millisecond)
	if passed := time.Since(start); passed < 20*time.Millisecond {
		t.Errorf("only %v have passed", passed)
	}
	t.Setenv("SUMS_TEST", "größe → ✓")
	if value := os.Getenv("SUMS_TEST"); value != "größe → ✓" {
		t.Errorf("the variable is %q", value)
	}
}
