package rawjson

import "testing"

func TestAddIsSetWhereThereIsNoSuchMember(t *testing.T) {
	for _, obj := range []string{`{}`, `{ }`, `{"a":1}`, `{"a":1 }`, `{ "a" : "}" }`, "{\n\"a\":[{}]\n}"} {
		got, want := Add([]byte(obj), "t", []byte(`{"x":1}`)), Set([]byte(obj), "t", []byte(`{"x":1}`))
		if Valid(got) != nil {
			t.Errorf("%s gives %s", obj, got)
		}
		if g, w := AppendCompact(nil, got), AppendCompact(nil, want); string(g) != string(w) {
			t.Errorf("%s gives %s, want %s", obj, got, want)
		}
	}
}
