// Command gunzip decompresses files to nowhere and prints the number of bytes that came out: what reading compressed
// records costs before anything is done with them.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

func main() {
	var total int64
	for _, name := range os.Args[1:] {
		n, err := size(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "gunzip: %s: %v\n", name, err)
			os.Exit(1)
		}
		total += n
	}
	fmt.Println(total)
}

func size(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	unzip, err := gzip.NewReader(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, unzip)
}
