package records

import "math/bits"

// random is splitmix64: small, and its numbers are fixed by the algorithm instead of by a library's version.
type random uint64

// newRandom returns the generator of one purpose: two different ones of a seed are independent.
func newRandom(seed, purpose uint64) random {
	r := random(seed)
	mixed := random(r.next() ^ purpose*0x9e3779b97f4a7c15)
	return random(mixed.next())
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int {
	high, _ := bits.Mul64(r.next(), uint64(n))
	return int(high)
}

// skewed returns a number from 0 to n-1, small ones much more often: few accounts and roles do most of the work.
func (r *random) skewed(n int) int { return min(r.below(n), r.below(n), r.below(n)) }

// perMille is true in n of 1000 cases.
func (r *random) perMille(n int) bool { return r.below(1000) < n }
