package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What Windows changes or stops at in text files.
const awkward = "a\nb\r\n\x1a\x00\xff\n"

func folder(t *testing.T) string {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"digits":         "123456789",
		"sub/abc":        "abc",
		"sub/awkward":    awkward,
		"sub/größe ✓/no": "",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// By sha256sum, and Python's zlib.crc32.
var listed = []file{
	{"digits", 9, 0xcbf43926, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
	{"sub/abc", 3, 0x352441c2, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"sub/awkward", 9, 0x9a8368a5, "b60432b9d6e358dcafb65b928f121c306fcb43723b469aa429a7dcd29d04862c"},
	{"sub/größe ✓/no", 0, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
}

func TestEveryFileIsListed(t *testing.T) {
	files, err := list(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(files, listed) {
		t.Errorf("got %v, not %v", files, listed)
	}
}

func TestAListSurvivesJSON(t *testing.T) {
	text, err := json.Marshal(listed)
	if err != nil {
		t.Fatal(err)
	}
	// Numbers of 32 bits and names that are not ASCII.
	for _, part := range []string{`"crc32":3421780262`, `"name":"sub/größe ✓/no"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is not in %s", part, text)
		}
	}
	var again []file
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, listed) {
		t.Errorf("got %v, not %v", again, listed)
	}
}

func TestWhatDiffersIsFound(t *testing.T) {
	dir := folder(t)
	old, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	if different := compare(old, old); different != nil {
		t.Errorf("%v differ from themselves", different)
	}
	if err := os.WriteFile(filepath.Join(dir, "digits"), []byte("123456780"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "sub", "abc"), filepath.Join(dir, "abc")); err != nil {
		t.Fatal(err)
	}
	now, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	if different := compare(old, now); !reflect.DeepEqual(different, []string{"abc", "digits", "sub/abc"}) {
		t.Errorf("different: %v", different)
	}
}

func TestExitCodes(t *testing.T) {
	dir := folder(t)
	text, err := json.Marshal(listed)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		arguments []string
		stdin     string
		code      int
	}{
		{[]string{"list", dir}, "", 0},
		{[]string{"check", dir}, string(text), 0},
		{[]string{"check", dir}, "[]", 1},
		{[]string{"check", dir}, "no list", 3},
		{[]string{"list", filepath.Join(dir, "missing")}, "", 3},
		{[]string{"list"}, "", 2},
		{nil, "", 2},
	} {
		var out, errors bytes.Buffer
		code := run(test.arguments, strings.NewReader(test.stdin), &out, &errors)
		if code != test.code || (code > 1) != (errors.Len() > 0) {
			t.Errorf("%q gave exit code %d, not %d: %s", test.arguments, code, test.code, errors.String())
		}
	}
}
