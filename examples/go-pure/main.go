// Command sums lists the files below a folder with their sizes and checksums, as JSON, and finds what differs from such a list.
//
//	sums list DIR
//	sums check DIR <LIST
//
// Exit codes: 0 all is well, 1 something differs, 2 wrong arguments, 3 a file cannot be read.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(arguments []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(arguments) != 2 || arguments[0] != "list" && arguments[0] != "check" {
		fmt.Fprintln(stderr, "usage: sums list DIR, or sums check DIR <LIST")
		return 2
	}
	files, err := list(arguments[1])
	if err != nil {
		fmt.Fprintln(stderr, "sums:", err)
		return 3
	}
	if arguments[0] == "list" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(files); err != nil {
			fmt.Fprintln(stderr, "sums:", err)
			return 3
		}
		return 0
	}
	var expected []file
	if err := json.NewDecoder(stdin).Decode(&expected); err != nil {
		fmt.Fprintln(stderr, "sums: this is no list:", err)
		return 3
	}
	different := compare(expected, files)
	for _, name := range different {
		fmt.Fprintln(stdout, name)
	}
	if len(different) > 0 {
		return 1
	}
	return 0
}
