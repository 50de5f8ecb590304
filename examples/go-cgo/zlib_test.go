package main

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The test program is zsum itself where this is set, so that the tests have a program of their target to start.
const beZsum = "ZSUM_TEST_BE_ZSUM"

func TestMain(m *testing.M) {
	if os.Getenv(beZsum) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noise makes the same bytes everywhere: Knuth's MMIX generator.
func noise(size int) []byte {
	state := uint64(1)
	data := make([]byte, size)
	for at := range data {
		state = state*6364136223846793005 + 1442695040888963407
		data[at] = byte(state >> 56)
	}
	return data
}

func text(size int) []byte {
	return bytes.Repeat([]byte("round and round the ragged rock\n"), size/32+1)[:size]
}

func TestChecksumsHaveTheirPublishedValues(t *testing.T) {
	for _, test := range []struct {
		data       []byte
		crc, adler uint32
	}{
		{nil, 0, 1},
		{[]byte("123456789"), 0xcbf43926, 0x091e01de},
		{[]byte("Wikipedia"), 0xadaac02e, 0x11e60398},
		{noise(1000000), 0x4bea4db4, 0x24420da0},
	} {
		crc, adler := checksums(test.data)
		if crc != test.crc || adler != test.adler {
			t.Errorf("crc32 %08x adler32 %08x of %.9q", crc, adler, test.data)
		}
		// Go's own, with no C in it.
		if crc != crc32.ChecksumIEEE(test.data) || adler != adler32.Checksum(test.data) {
			t.Errorf("C and Go differ about %.9q", test.data)
		}
	}
}

func TestDataSurvivesTheRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 65536, 300000} {
		for _, data := range [][]byte{noise(size), text(size)} {
			packed, err := compress(data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := decompress(packed, size)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, data) {
				t.Errorf("%d bytes came back as %d others", size, len(again))
			}
		}
	}
}

func TestGoReadsWhatCWrote(t *testing.T) {
	data := text(100000)
	packed, err := compress(data)
	if err != nil {
		t.Fatal(err)
	}
	in, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	again, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%d bytes came back as %d others: %v", len(data), len(again), err)
	}
}

func TestCReadsWhatGoWrote(t *testing.T) {
	data := text(100000)
	var packed bytes.Buffer
	out := zlib.NewWriter(&packed)
	out.Write(data)
	out.Close()
	again, err := decompress(packed.Bytes(), len(data))
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%d bytes came back as %d others: %v", len(data), len(again), err)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	packed, err := compress(text(1000))
	if err != nil {
		t.Fatal(err)
	}
	packed[len(packed)-1] ^= 1
	if _, err := decompress(packed, 1000); err == nil || !strings.Contains(err.Error(), "data error") {
		t.Errorf("got %v", err)
	}
}

func deflated(t *testing.T, data []byte) []byte {
	var packed bytes.Buffer
	out, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	out.Close()
	return packed.Bytes()
}

func TestCCallsGo(t *testing.T) {
	for _, size := range []int{0, 1, 100000} {
		data := noise(size)
		var again bytes.Buffer
		if err := inflate(&again, bytes.NewReader(deflated(t, data))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), data) {
			t.Errorf("%d bytes came back as %d others", size, again.Len())
		}
	}
	if err := inflate(io.Discard, strings.NewReader("\xff")); err == nil {
		t.Error("damage was not noticed")
	}
}

type full struct{}

var errFull = errors.New("no room is left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAnErrorComesThroughC(t *testing.T) {
	if err := inflate(full{}, bytes.NewReader(deflated(t, text(1000)))); err != errFull {
		t.Errorf("got %v", err)
	}
}

func TestAPanicComesThroughC(t *testing.T) {
	defer func() {
		if problem := recover(); problem != "stop" {
			t.Errorf("recovered %v", problem)
		}
	}()
	inflate(stop{}, bytes.NewReader(deflated(t, text(1000))))
}

type stop struct{}

func (stop) Write([]byte) (int, error) { panic("stop") }

func TestManyGoroutinesCallC(t *testing.T) {
	packed := deflated(t, text(50000))
	var workers sync.WaitGroup
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			var again bytes.Buffer
			if err := inflate(&again, bytes.NewReader(packed)); err != nil || again.Len() != 50000 {
				t.Errorf("%d bytes: %v", again.Len(), err)
			}
		}()
	}
	workers.Wait()
}

func TestTheProgramPrintsSums(t *testing.T) {
	t.Logf("zlib %s", version())
	path := filepath.Join(t.TempDir(), "rock")
	if err := os.WriteFile(path, text(128), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, path)
	command.Env = append(os.Environ(), beZsum+"=1")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(out), "crc32 381f3898 adler32 b9112e1d bytes 128 packed ") {
		t.Errorf("printed %s", out)
	}
}
