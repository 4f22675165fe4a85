package gunzip

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	kpgzip "github.com/klauspost/compress/gzip"
)

// records are real CloudTrail records, about 150 KiB of JSON.
func records(t testing.TB) []byte {
	t.Helper()
	paths, err := filepath.Glob("../../formats/record/testdata/*.ndjson")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no records: %v", err)
	}
	var all []byte
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// manyRecords are the records several times in random order, each time with other ids.
func manyRecords(t testing.TB, times int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	lines := bytes.SplitAfter(records(t), []byte("\n"))
	var all []byte
	for range times {
		for _, i := range random.Perm(len(lines)) {
			all = append(all, uuid.ReplaceAllFunc(lines[i], func(id []byte) []byte {
				id = bytes.Clone(id)
				for i, c := range id {
					if c != '-' {
						id[i] = "0123456789abcdef"[random.IntN(16)]
					}
				}
				return id
			})...)
		}
	}
	return all
}

func compress(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, &b, w, data)
}

func compressKP(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := kpgzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, &b, w, data)
}

func written(t testing.TB, b *bytes.Buffer, w io.WriteCloser, data []byte) []byte {
	t.Helper()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// flushed ends a block, and the byte, after every n bytes of data.
func flushed(t testing.TB, n int, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	for part := range slices.Chunk(data, n) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withHeader has all that a header can have.
func withHeader(t testing.TB, data []byte) []byte {
	t.Helper()
	h := []byte{0x1f, 0x8b, 8, hasChecksum | hasExtra | hasName | hasComment, 1, 2, 3, 4, 0, 3}
	h = append(h, 3, 0, 'a', 0, 'b')
	h = append(h, "näme\x00comment\x00"...)
	h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
	return append(h, compress(t, 6, data)[10:]...)
}

type stream struct {
	name string
	data []byte
}

// streams are made of about so many bytes of each kind of data, by all compressors and levels.
func streams(t testing.TB, size int) []stream {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, size)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	text := records(t)
	for len(text) < size {
		text = append(text, text...)
	}
	text = text[:size]
	var periods []byte // matches of short distances
	for period := 1; len(periods) < size; period++ {
		periods = append(periods, bytes.Repeat(noise[:period%40+1], 1+random.IntN(30))...)
	}
	var skewed []byte // literals from very frequent to very rare ones have long codes
	for len(skewed) < size {
		skewed = append(skewed, byte(random.ExpFloat64()*9))
	}
	var all []stream
	for _, kind := range []stream{{"text", text}, {"noise", noise}, {"zeros", make([]byte, size)}, {"periods", periods}, {"skewed", skewed}, {"empty", nil}} {
		for _, level := range []int{stdgzip.HuffmanOnly, 0, 1, 5, 6, 9} {
			name := kind.name + "/level " + string("-0123456789"[level+2-min(level+2, 1)])
			all = append(all, stream{name, compress(t, level, kind.data)}, stream{name + ", klauspost", compressKP(t, level, kind.data)})
		}
		all = append(all,
			stream{kind.name + "/flushed", flushed(t, size/7+1, kind.data)},
			stream{kind.name + "/with header", withHeader(t, kind.data)})
	}
	short := compress(t, 6, text[:size/3])
	return append(all,
		stream{"members", slices.Concat(short, compress(t, 6, nil), withHeader(t, noise[:size/3]), compress(t, 0, text[:size/3]))},
		stream{"flushed often", flushed(t, 1+size/200, text)})
}

// bitWriter makes deflate data by hand.
type bitWriter struct {
	data  []byte
	bits  uint64
	nbits uint
}

func (w *bitWriter) add(v uint64, n uint) {
	w.bits |= v << w.nbits
	for w.nbits += n; w.nbits >= 8; w.nbits -= 8 {
		w.data = append(w.data, byte(w.bits))
		w.bits >>= 8
	}
}

// code adds the code of a symbol, given the lengths of all.
func (w *bitWriter) code(lengths []uint8, symbol int) {
	n := lengths[symbol]
	if n == 0 {
		return
	}
	code := 0
	for s, other := range lengths { // the place among codes, as numbers of n bits
		switch {
		case other == 0:
		case other < n:
			code += 1 << (n - other)
		case other == n && s < symbol:
			code++
		}
	}
	w.add(uint64(bits.Reverse16(uint16(code))>>(16-n)), uint(n))
}

// member returns the data as a member with a checksum of what the standard library makes of it.
func (w *bitWriter) member() []byte {
	w.add(0, (8-w.nbits)%8)
	b := slices.Concat([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, w.data, make([]byte, 8))
	if z, err := stdgzip.NewReader(bytes.NewReader(b)); err == nil {
		data, _ := io.ReadAll(z)
		sum := binary.LittleEndian.AppendUint32(b[:len(b)-8], crc32.ChecksumIEEE(data))
		binary.LittleEndian.AppendUint32(sum, uint32(len(data)))
	}
	return b
}

// randomLengths are the lengths of a complete code of some symbols out of n.
func randomLengths(random *rand.Rand, n int) []uint8 {
	leaves := []uint8{0}
	for used := 2 + random.IntN(n-1); len(leaves) < used; {
		i := random.IntN(len(leaves))
		if random.IntN(3) > 0 {
			i = len(leaves) - 1 // makes long ones
		}
		if leaves[i] == maxCodeBits {
			i = slices.Index(leaves, slices.Min(leaves))
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	lengths := make([]uint8, n)
	for i, s := range random.Perm(n)[:len(leaves)] {
		lengths[s] = leaves[i]
	}
	return lengths
}

// randomBlock is a block of random codes and random symbols. In some of them something is wrong.
func (w *bitWriter) randomBlock(random *rand.Rand, final bool) {
	lits, dists := randomLengths(random, 257+random.IntN(30)), randomLengths(random, 2+random.IntN(29))
	if lits[endOfBlock] == 0 {
		i := slices.IndexFunc(lits, func(n uint8) bool { return n > 0 })
		lits[i], lits[endOfBlock] = 0, lits[i]
	}
	switch random.IntN(40) {
	case 0:
		dists = []uint8{1}
	case 1:
		dists = []uint8{0, 0, 1}
	case 2:
		dists = []uint8{0}
	case 3:
		dists = []uint8{2}
	case 4:
		clear(lits)
		lits[endOfBlock] = 1
	case 5:
		lits[random.IntN(len(lits))] ^= 1
	case 6:
		dists[random.IntN(len(dists))] ^= 1
	case 7:
		lits = append(lits, make([]uint8, 288-len(lits))...)
	case 8:
		dists = append(dists, make([]uint8, 32-len(dists))...)
	}
	last := uint64(0)
	if final {
		last = 1
	}
	w.add(last|2<<1, 3)
	w.add(uint64(len(lits)-257)|uint64(len(dists)-1)<<5|15<<10, 14)
	of := make([]uint8, codeLengths) // 13 codes of 4 bits and 6 of 5 make a complete code
	for i := range of {
		of[i] = 4
		if i%3 == 0 && i > 0 {
			of[i] = 5
		}
	}
	for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		w.add(uint64(of[s]), 3)
	}
	all := slices.Concat(lits, dists)
	for i := 0; i < len(all); {
		run := 1
		for i+run < len(all) && all[i+run] == all[i] {
			run++
		}
		switch {
		case all[i] == 0 && run >= 11 && random.IntN(8) > 0:
			run = min(run, 138)
			w.code(of, 18)
			w.add(uint64(run-11), 7)
		case all[i] == 0 && run >= 3:
			run = min(run, 10)
			w.code(of, 17)
			w.add(uint64(run-3), 3)
		case i > 0 && all[i] == all[i-1] && run >= 3:
			run = min(run, 6)
			w.code(of, 16)
			w.add(uint64(run-3), 2)
		default:
			run = 1
			w.code(of, int(all[i]))
		}
		i += run
	}
	for range random.IntN(3000) {
		s := random.IntN(len(lits))
		if s >= endOfBlock && (lits[s] == 0 || s == endOfBlock) || random.IntN(3) == 0 {
			s = random.IntN(endOfBlock)
		}
		w.code(lits, s)
		if s <= endOfBlock || lits[s] == 0 {
			continue
		}
		if s < maxLits-1 {
			extra := uint(max((s-257)/4-1, 0))
			w.add(uint64(random.IntN(1<<extra)), extra)
		}
		d := random.IntN(len(dists))
		if random.IntN(1000) > 0 {
			d = min(d, random.IntN(18)) // rarely before the beginning
		}
		w.code(dists, d)
		if d < maxDists {
			extra := uint(max(d/2-1, 0))
			w.add(uint64(random.IntN(1<<extra)), extra)
		}
	}
	w.code(lits, endOfBlock)
}

func randomMember(random *rand.Rand) []byte {
	var w bitWriter
	if random.IntN(4) > 0 { // bytes that distances can go back to
		const n = 40000
		w.add(0, 8)
		w.add(n|(^uint64(n)&0xffff)<<16, 32)
		for i := range n {
			w.add(uint64(i*i>>7)&0xff, 8)
		}
	}
	for range random.IntN(3) {
		w.randomBlock(random, false)
	}
	w.randomBlock(random, true)
	return w.member()
}
