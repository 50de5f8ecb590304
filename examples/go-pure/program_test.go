package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// The test program is sums itself where this is set, so that the tests have a program of their target to start.
const beSums = "SUMS_TEST_BE_SUMS"

func TestMain(m *testing.M) {
	if os.Getenv(beSums) != "" {
		main()
	}
	os.Exit(m.Run())
}

// sums starts the program: the system, or an emulator in its place, must know how.
func sums(t *testing.T, stdin string, arguments ...string) (code int, stdout, stderr string) {
	if runtime.GOARCH == "wasm" {
		t.Skip("wasm has no processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	command := exec.Command(self, arguments...)
	command.Env = append(os.Environ(), beSums+"=1")
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &errs
	err = command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		// Not Fatal: several are started at once.
		t.Error(err)
	}
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestTheProgramListsAndChecks(t *testing.T) {
	dir := folder(t)
	code, stdout, stderr := sums(t, "", "list", dir)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var files []file
	if err := json.Unmarshal([]byte(stdout), &files); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(files, listed) {
		t.Errorf("got %v, not %v", files, listed)
	}
	if code, stdout, stderr := sums(t, stdout, "check", dir); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := sums(t, "[]", "check", dir); code != 1 || strings.Count(stdout, "\n") != len(listed) {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestTheProgramSaysWhatIsWrong(t *testing.T) {
	if code, stdout, stderr := sums(t, ""); code != 2 || stdout != "" || !strings.HasPrefix(stderr, "usage: ") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := sums(t, "", "list", "größe → ✓"); code != 3 || !strings.Contains(stderr, "größe → ✓") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestSeveralProgramsRunAtOnce(t *testing.T) {
	dir := folder(t)
	_, alone, _ := sums(t, "", "list", dir)
	var programs sync.WaitGroup
	for i := 0; i < 3; i++ {
		programs.Add(1)
		go func() {
			defer programs.Done()
			if _, stdout, _ := sums(t, "", "list", dir); stdout != alone {
				t.Errorf("printed %s, not %s", stdout, alone)
			}
		}()
	}
	programs.Wait()
}
