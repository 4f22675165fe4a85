package sqsqueue

// memory remembers something of the last thousands of messages. It has no lock of its own.
type memory[V any] struct {
	young, old map[string]V
}

const generation = 10_000 // messages; two generations are kept

func newMemory[V any]() *memory[V] { return &memory[V]{young: map[string]V{}} }

func (m *memory[V]) get(id string) (V, bool) {
	if v, ok := m.young[id]; ok {
		return v, true
	}
	v, ok := m.old[id]
	return v, ok
}

func (m *memory[V]) put(id string, v V) {
	if len(m.young) >= generation {
		m.young, m.old = map[string]V{}, m.young
	}
	m.young[id] = v
}
