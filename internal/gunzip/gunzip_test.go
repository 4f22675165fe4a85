package gunzip

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	kpgzip "github.com/klauspost/compress/gzip"
)

// way is how a stream is read.
type way struct {
	name string
	from func(io.Reader) io.Reader
	size int // of each Read
}

func asIs(r io.Reader) io.Reader { return r }

func sevens(r io.Reader) io.Reader { return &upTo{r, 7} }

// upTo gives at most n bytes at a time.
type upTo struct {
	r io.Reader
	n int
}

func (u *upTo) Read(p []byte) (int, error) { return u.r.Read(p[:min(len(p), u.n)]) }

var byteByByte = way{"byte by byte", iotest.OneByteReader, 4096}

var ways = []way{
	{"all at once", asIs, 512 << 10},
	{"EOF with data", iotest.DataErrReader, 32 << 10},
	{"in halves", iotest.HalfReader, 1000},
	byteByByte,
	{"in sevens", sevens, 1},
}

// read gives all that comes out until the error, which is nil at the end.
func (w way) read(z *Reader, data []byte) ([]byte, error) {
	if err := z.Reset(w.from(bytes.NewReader(data))); err != nil {
		return nil, err
	}
	return w.rest(z)
}

func (w way) rest(z io.Reader) ([]byte, error) {
	var out []byte
	p := make([]byte, w.size)
	for {
		n, err := z.Read(p)
		out = append(out, p[:n]...)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func reference(data []byte) ([]byte, error) {
	z, err := stdgzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// kind is what the errors of both implementations have in common.
func kind(err error) string {
	var theirs flate.CorruptInputError
	var ours CorruptError
	switch {
	case err == ErrHeader || err == stdgzip.ErrHeader:
		return "header"
	case err == ErrChecksum || err == stdgzip.ErrChecksum:
		return "checksum"
	case errors.As(err, &theirs) || errors.As(err, &ours):
		return "corrupt"
	}
	return fmt.Sprint(err)
}

// sameAsStandard checks that a stream gives what compress/gzip makes of it. Of a stream that is cut off there may be more: the
// standard library waits for as many bits as the end of a block has before it looks for a shorter code. What there is more of
// must belong to whole, if that is not nil, and may show that the stream is corrupt.
func sameAsStandard(z *Reader, w way, data, whole []byte) error {
	want, wantErr := reference(data)
	got, err := w.read(z, data)
	if kind(wantErr) == kind(io.ErrUnexpectedEOF) {
		switch {
		case !bytes.HasPrefix(got, want):
			return fmt.Errorf("%d bytes do not begin with the %d of the standard library", len(got), len(want))
		case whole != nil && !bytes.HasPrefix(whole, got):
			return fmt.Errorf("%d bytes are not the beginning of the whole", len(got))
		case len(got) > len(want)+maxCodeBits*258:
			return fmt.Errorf("%d bytes, the standard library gives %d", len(got), len(want))
		case kind(err) != kind(wantErr) && (whole != nil || kind(err) != "corrupt"):
			return fmt.Errorf("error %v, the standard library says %v", err, wantErr)
		}
		return nil
	}
	if kind(err) != kind(wantErr) {
		return fmt.Errorf("error %v after %d bytes, the standard library says %v after %d", err, len(got), wantErr, len(want))
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes differ from the %d of the standard library", len(got), len(want))
	}
	return nil
}

func TestStreams(t *testing.T) {
	var z Reader // one for all, so that nothing is left of a stream
	for _, size := range []int{100, 5000, 300 << 10} {
		for _, s := range streams(t, size) {
			ways := ways
			if size > 5000 {
				ways = ways[:3] // the others are slow
			}
			for _, w := range ways {
				if err := sameAsStandard(&z, w, s.data, nil); err != nil {
					t.Errorf("%s, %d bytes, %s: %v", s.name, size, w.name, err)
				}
			}
			if _, err := ways[0].read(&z, s.data); err != nil {
				t.Errorf("%s, %d bytes: %v", s.name, size, err)
			}
		}
	}
}

func TestCutAnywhere(t *testing.T) {
	var z Reader
	for _, s := range streams(t, 500) {
		whole, err := reference(s.data)
		if err != nil {
			t.Fatal(err)
		}
		for n := range s.data {
			w := ways[n%len(ways)]
			if err := sameAsStandard(&z, w, s.data[:n], whole); err != nil {
				t.Fatalf("%s, first %d bytes, %s: %v", s.name, n, w.name, err)
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	var z Reader
	random := rand.New(rand.NewPCG(5, 6))
	all := append(streams(t, 900), streams(t, 9000)...)
	kinds := map[string]int{}
	for i := range 6000 {
		s := all[random.IntN(len(all))]
		data := damage(random, s.data)
		w := ways[random.IntN(len(ways))]
		if err := sameAsStandard(&z, w, data, nil); err != nil {
			t.Fatalf("%s, damage %d, %s: %v", s.name, i, w.name, err)
		}
		_, err := ways[0].read(&z, data)
		kinds[kind(err)]++
	}
	for _, k := range []string{"header", "checksum", "corrupt", kind(io.ErrUnexpectedEOF)} {
		if kinds[k] < 50 {
			t.Errorf("only %d streams with the error %q", kinds[k], k)
		}
	}
}

// damage changes a few bits or bytes, removes some or puts some twice.
func damage(random *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	for range 1 + random.IntN(3) {
		i := random.IntN(len(data))
		if random.IntN(2) == 0 {
			i = random.IntN(min(len(data), 120)) // headers
		}
		j := min(i+random.IntN(20), len(data))
		switch random.IntN(6) {
		case 0, 1:
			data[i] ^= 1 << random.IntN(8)
		case 2:
			data[i] = byte(random.Uint32())
		case 3:
			data = slices.Delete(data, i, max(min(j, len(data)-1), i))
		case 4:
			data = slices.Insert(data, i, data[i:j]...)
		case 5:
			data = data[:max(i, 1)]
		}
	}
	return data
}

// TestRandomCodes has codes that no compressor makes: of all lengths, for symbols that are rare in real data.
func TestRandomCodes(t *testing.T) {
	var z Reader
	ends := map[string]int{}
	for seed := range uint64(600) {
		data := randomMember(rand.New(rand.NewPCG(seed, 7)))
		for _, w := range []way{ways[0], ways[seed%uint64(len(ways))]} {
			if err := sameAsStandard(&z, w, data, nil); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, w.name, err)
			}
		}
		_, err := ways[0].read(&z, data)
		ends[kind(err)]++
	}
	if ends["<nil>"] < 100 || ends["corrupt"] < 100 {
		t.Errorf("streams end as %v: too few of a kind", ends)
	}
}

func TestErrors(t *testing.T) {
	good := compress(t, 6, []byte("hello, hello, hello"))
	withHeader := withHeader(t, []byte("hello"))
	name := func(n int) []byte {
		return slices.Concat(good[:3], []byte{hasName}, good[4:10], []byte(strings.Repeat("x", n)), []byte{0}, good[10:])
	}
	changed := func(data []byte, i int) []byte {
		data = bytes.Clone(data)
		data[(i+len(data))%len(data)] ^= 0xff
		return data
	}
	deflate := func(b ...byte) []byte { return append(bytes.Clone(good[:10]), b...) }
	var oneCode bitWriter // a dynamic block whose code of code lengths is one code of 1 bit, and then not that code
	oneCode.add(1|2<<1, 3)
	oneCode.add(15<<10, 14)
	oneCode.add(1<<6, 57)
	oneCode.add(^uint64(0)>>32, 30)
	var repeated bitWriter // a dynamic block of which the first length of a code is the one before it
	repeated.add(1|2<<1, 3)
	repeated.add(15<<10, 14)
	repeated.add(1|1<<9, 57)
	repeated.add(^uint64(0)>>32, 30)
	for _, c := range []struct {
		name string
		data []byte
		out  string
		err  error
	}{
		{"nothing", nil, "", io.EOF},
		{"one byte", good[:1], "", io.ErrUnexpectedEOF},
		{"half a header", good[:9], "", io.ErrUnexpectedEOF},
		{"a header only", good[:10], "", io.ErrUnexpectedEOF},
		{"text", []byte("no gzip at all"), "", ErrHeader},
		{"another method", changed(good, 2), "", ErrHeader},
		{"reserved flags, as in the standard library", slices.Concat(good[:3], []byte{0xe0}, good[4:]), "hello, hello, hello", nil},
		{"checksum of the header", changed(withHeader, 12), "", ErrHeader},
		{"half a checksum of the header", withHeader[:len(withHeader)-len(compress(t, 6, []byte("hello")))+9], "", io.ErrUnexpectedEOF},
		{"long name", name(maxName - 1), "hello, hello, hello", nil},
		{"too long a name", name(maxName), "", ErrHeader},
		{"endless name", name(maxName)[:100], "", io.ErrUnexpectedEOF},
		{"reserved type of block", deflate(0x07), "", CorruptError(11)},
		{"length of code that has no code", deflate(oneCode.data...), "", CorruptError(20)},
		{"repeat of no length", deflate(repeated.data...), "", CorruptError(20)},
		{"size of a stored block", deflate(1, 2, 0, 0xfd, 0xfe), "", CorruptError(15)},
		{"a stored block cut off", deflate(1, 9, 0, 0xf6, 0xff, 'a', 'b', 'c'), "abc", io.ErrUnexpectedEOF},
		{"distance before the beginning", deflate(0x4b, 0x04, 0x22, 0, 0, 0, 0), "a", CorruptError(13)},
		{"CRC", changed(good, -8), "hello, hello, hello", ErrChecksum},
		{"size", changed(good, -1), "hello, hello, hello", ErrChecksum},
		{"no CRC", good[:len(good)-8], "hello, hello, hello", io.ErrUnexpectedEOF},
		{"half a CRC", good[:len(good)-6], "hello, hello, hello", io.ErrUnexpectedEOF},
		{"zeros behind it", append(bytes.Clone(good), make([]byte, 512)...), "hello, hello, hello", ErrHeader},
		{"few zeros behind it", append(bytes.Clone(good), make([]byte, 9)...), "hello, hello, hello", io.ErrUnexpectedEOF},
		{"text behind it", append(bytes.Clone(good), "end of the file\n"...), "hello, hello, hello", ErrHeader},
		{"a member cut off", slices.Concat(good, good[:len(good)-9]), "hello, hello, hellohello, hello, hello", io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, w := range ways {
				var z Reader
				out, err := w.read(&z, c.data)
				if err != c.err {
					t.Errorf("%s: error %v, want %v", w.name, err, c.err)
				}
				if string(out) != c.out {
					t.Errorf("%s: %q, want %q", w.name, out, c.out)
				}
				if n, again := z.Read(make([]byte, 10)); n != 0 || err != nil && again != err || err == nil && again != io.EOF {
					t.Errorf("%s: then %d bytes and %v", w.name, n, again)
				}
			}
			if _, err := reference(c.data); kind(err) != kind(c.err) {
				t.Errorf("the standard library says %v", err)
			}
		})
	}
}

// TestDistanceEndsAtTheMember has a member behind another one, whose match begins with its first byte, or one before it.
func TestDistanceEndsAtTheMember(t *testing.T) {
	var z Reader
	for _, before := range []int{0, 1, 1000, 40000, roof - 20000, roof - 100, roof, 3 * roof} {
		for _, n := range []uint64{1, 24577, 32000} {
			var w bitWriter
			w.add(0, 8)
			w.add(n|(^n&0xffff)<<16, 32)
			for i := range n {
				w.add(i%251, 8)
			}
			distance := n
			for range 2 { // good, and one too many
				var w = bitWriter{data: bytes.Clone(w.data)}
				w.add(1|1<<1, 3)
				w.add(0x40, 7) // the length 3
				switch {
				case distance == 1:
					w.add(0, 5)
				case distance == 2:
					w.add(0x10, 5)
				default:
					w.add(0x17, 5) // 29, its first bit lowest
					w.add(distance-24577, 13)
				}
				w.add(0, 7)
				data := slices.Concat(compress(t, 1, make([]byte, before)), w.member(), compress(t, 6, make([]byte, 100)))
				for _, way := range []way{ways[0], byteByByte} {
					if err := sameAsStandard(&z, way, data, nil); err != nil {
						t.Errorf("%d bytes before, %d in the member, distance %d, %s: %v", before, n, distance, way.name, err)
					}
				}
				distance++
			}
		}
	}
}

func TestCorruptErrorSaysWhere(t *testing.T) {
	if got, want := CorruptError(1234).Error(), "gzip: corrupt input before offset 1234"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrorsOfTheSource(t *testing.T) {
	data := compress(t, 6, records(t)[:5000])
	broken := errors.New("connection lost")
	for _, cause := range []error{broken, io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		for n := range data {
			want, _ := reference(data[:n])
			var z Reader
			err := z.Reset(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(cause)))
			var out []byte
			if err == nil {
				out, err = ways[0].rest(&z)
			}
			if err != cause || !bytes.HasPrefix(out, want) {
				t.Fatalf("after %d bytes: %d bytes and %v, want %d and %v", n, len(out), err, len(want), cause)
			}
		}
	}
	var z Reader
	if err := z.Reset(&once{data: data[:20], err: broken}); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Read(make([]byte, 10)); err != broken {
		t.Errorf("data and an error at once: %v", err)
	}
	if err := z.Reset(silent{}); err != io.ErrNoProgress {
		t.Errorf("a source that says nothing: %v", err)
	}
}

// once gives data and an error, and then nothing.
type once struct {
	data []byte
	err  error
}

func (o *once) Read(p []byte) (int, error) {
	n, err := copy(p, o.data), o.err
	o.data, o.err = nil, io.EOF
	return n, err
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// TestNothingIsHeldBack reads a stream of which a few bytes come at a time. Whenever the source is asked for more, the caller
// must have all that the standard library could read of what came so far.
func TestNothingIsHeldBack(t *testing.T) {
	for _, s := range streams(t, 1000) {
		for _, n := range []int{1, 50} {
			src := &asked{t: t, name: s.name, data: s.data, n: n}
			var z Reader
			if err := z.Reset(src); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 300)
			for {
				n, err := z.Read(p)
				src.got += n
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

type asked struct {
	t            *testing.T
	name         string
	data         []byte
	n, sent, got int
}

func (a *asked) Read(p []byte) (int, error) {
	if out, _ := reference(a.data[:a.sent]); a.got < len(out) {
		a.t.Errorf("%s: after %d bytes came %d, there are %d", a.name, a.sent, a.got, len(out))
	}
	n := copy(p, a.data[a.sent:min(a.sent+a.n, len(a.data))])
	a.sent += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestFlushed(t *testing.T) {
	from, to := io.Pipe()
	lines := bytes.SplitAfter(records(t), []byte("\n"))
	read := make(chan bool, len(lines)) // since a line may come out before its Flush has returned
	go func() {
		w := stdgzip.NewWriter(to)
		for _, line := range lines {
			w.Write(line)
			w.Flush()
			<-read // nothing more before that line has come out
		}
		w.Close()
		to.Close()
	}()
	var z Reader
	if err := z.Reset(from); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		got := make([]byte, len(line))
		if _, err := io.ReadFull(&z, got); err != nil || !bytes.Equal(got, line) {
			t.Fatalf("%q, %v, want %q", got, err, line)
		}
		read <- true
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes and %v at the end", n, err)
	}
}

func TestMemory(t *testing.T) {
	if size := reflect.TypeFor[Reader]().Size(); size > 240<<10 {
		t.Errorf("a Reader has %d bytes", size)
	}
	data := slices.Concat(compress(t, 6, records(t)), withHeader(t, records(t)))
	z, src, p := new(Reader), bytes.NewReader(nil), make([]byte, 32<<10)
	allocs := testing.AllocsPerRun(10, func() {
		src.Reset(data)
		if err := z.Reset(src); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := z.Read(p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a stream", allocs)
	}
}

func TestReadOfNothing(t *testing.T) {
	var z Reader
	if err := z.Reset(bytes.NewReader(compress(t, 6, []byte("x")))); err != nil {
		t.Fatal(err)
	}
	if n, err := z.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if out, err := io.ReadAll(&z); string(out) != "x" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

func FuzzReader(f *testing.F) {
	for i, s := range streams(f, 600) {
		f.Add(s.data, uint8(i))
	}
	for seed := range uint64(20) {
		f.Add(randomMember(rand.New(rand.NewPCG(seed, 7))), uint8(seed))
	}
	var z Reader
	f.Fuzz(func(t *testing.T, data []byte, how uint8) {
		w := ways[int(how)%len(ways)]
		if err := sameAsStandard(&z, w, data, nil); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	})
}

// FuzzCodes has blocks of random codes for the fuzzer to change.
func FuzzCodes(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(0))
	var z Reader
	f.Fuzz(func(t *testing.T, seed, change uint64, how uint8) {
		random := rand.New(rand.NewPCG(seed, change))
		data := randomMember(random)
		if how >= 128 {
			data = damage(random, data)
		}
		w := ways[int(how)%len(ways)]
		if err := sameAsStandard(&z, w, data, nil); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := manyRecords(b, 30)
	type resetter interface {
		io.Reader
		Reset(io.Reader) error
	}
	for _, data := range []stream{
		{"klauspost level 5", compressKP(b, 5, text)},
		{"standard level 6", compress(b, 6, text)},
		{"standard level 1", compress(b, 1, text)},
		{"huffman only", compress(b, stdgzip.HuffmanOnly, text)},
	} {
		for _, reader := range []struct {
			name string
			z    resetter
		}{{"gunzip", new(Reader)}, {"klauspost", new(kpgzip.Reader)}, {"standard", new(stdgzip.Reader)}} {
			b.Run(data.name+"/"+reader.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				src, p := bytes.NewReader(nil), make([]byte, 128<<10)
				for b.Loop() {
					src.Reset(data.data)
					if err := reader.z.Reset(src); err != nil {
						b.Fatal(err)
					}
					for {
						if _, err := reader.z.Read(p); err == io.EOF {
							break
						} else if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
