package sessions

import "math/rand/v2"

const (
	hexadecimal    = "0123456789abcdef"
	upperAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits         = "0123456789"
)

func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// one chooses a value, each as often.
func one[T any](r *rand.Rand, values []T) T { return values[r.IntN(len(values))] }

// skewed returns a number from 0 to n-1, small ones much more often: few accounts and people do most of the work.
func skewed(r *rand.Rand, n int) int { return min(r.IntN(n), r.IntN(n)) }

func (s *scene) letters(alphabet string, n int) string { return letters(s.Rand, alphabet, n) }

func letters(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (s *scene) uuid() string {
	h := s.letters(hexadecimal, 32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// stable returns letters that depend on a name alone: of ids of users, roles and instances.
func stable(name, alphabet string, n int) string {
	hash := uint64(14695981039346656037)
	for i := range len(name) {
		hash = (hash ^ uint64(name[i])) * 1099511628211
	}
	return letters(rand.New(rand.NewPCG(hash, 0)), alphabet, n)
}
