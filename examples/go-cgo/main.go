// Command zsum prints the checksums of files, and how small zlib makes them. It calls the C library.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: zsum FILE...")
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		if err := print(name); err != nil {
			fmt.Fprintln(os.Stderr, "zsum:", err)
			os.Exit(1)
		}
	}
}

func print(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	packed, err := compress(data)
	if err != nil {
		return err
	}
	crc, adler := checksums(data)
	_, err = fmt.Printf("crc32 %08x adler32 %08x bytes %d packed %d %s\n", crc, adler, len(data), len(packed), name)
	return err
}
