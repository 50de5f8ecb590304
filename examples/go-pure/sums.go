package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sort"
	"sync"
)

type file struct {
	// With slashes, also on Windows.
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	CRC32  uint32 `json:"crc32"`
	SHA256 string `json:"sha256"`
}

// list reads all regular files below a folder, several at a time, and sorts them by name.
func list(folder string) ([]file, error) {
	root := os.DirFS(folder)
	var names []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", folder, err)
	}
	sort.Strings(names)

	files := make([]file, len(names))
	errs := make([]error, len(names))
	work := make(chan int)
	var workers sync.WaitGroup
	for i := 0; i < runtime.GOMAXPROCS(0)+1; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for at := range work {
				files[at], errs[at] = sum(root, names[at])
			}
		}()
	}
	for at := range names {
		work <- at
	}
	close(work)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("in %s: %w", folder, err)
		}
	}
	return files, nil
}

func sum(root fs.FS, name string) (file, error) {
	in, err := root.Open(name)
	if err != nil {
		return file{}, err
	}
	defer in.Close()
	short, long := crc32.NewIEEE(), sha256.New()
	size, err := io.Copy(io.MultiWriter(short, long), in)
	return file{name, size, short.Sum32(), hex.EncodeToString(long.Sum(nil))}, err
}

// compare gives the names of files that differ, or are in one of the lists only.
func compare(expected, found []file) []string {
	rest := make(map[string]file)
	for _, f := range expected {
		rest[f.Name] = f
	}
	var different []string
	for _, f := range found {
		if old, known := rest[f.Name]; !known || old != f {
			different = append(different, f.Name)
		}
		delete(rest, f.Name)
	}
	for name := range rest {
		different = append(different, name)
	}
	sort.Strings(different)
	return different
}
