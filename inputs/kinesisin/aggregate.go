package kinesisin

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
)

// The Kinesis Producer Library packs several user records into one record (amazon-kinesis-producer,
// aggregation-format.md): four magic bytes, a protobuf message, and the MD5 of that message.
//
//	message AggregatedRecord {
//	  repeated string partition_key_table     = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records                 = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index     = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes  data                    = 3;
//	  repeated Tag    tags                    = 4;
//	}
var aggregateMagic = []byte{0xf3, 0x89, 0x9a, 0xc2}

const (
	fieldRecords = 3 // of AggregatedRecord
	fieldData    = 3 // of Record
)

// userRecords returns the data of the user records that are packed in one record, which they alias. ok is false for what
// is no aggregated record: by its magic, its checksum or its structure. Such a record stands for itself, as it does for
// the Kinesis Client Library.
//
// That library leaves out user records whose hash key belongs to another shard, since the producer sends those again.
// Here they are kept: a repeat does no harm.
func userRecords(record []byte) (data [][]byte, ok bool) {
	message, ok := bytes.CutPrefix(record, aggregateMagic)
	if !ok || len(message) < md5.Size {
		return nil, false
	}
	message, sum := message[:len(message)-md5.Size], message[len(message)-md5.Size:]
	if found := md5.Sum(message); !bytes.Equal(found[:], sum) {
		return nil, false
	}
	ok = eachField(message, func(number uint64, value []byte) bool {
		if number != fieldRecords {
			return true
		}
		var one []byte
		valid := eachField(value, func(number uint64, value []byte) bool {
			if number == fieldData {
				one = value[:len(value):len(value)]
			}
			return true
		})
		if !valid || one == nil {
			return false
		}
		data = append(data, one)
		return true
	})
	if !ok {
		return nil, false
	}
	return data, true
}

// Wire types of protobuf (protobuf.dev, Encoding).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// eachField calls fn for the fields of a message; value is nil but for fields that have a length. It returns false where
// the message is malformed, or fn does.
func eachField(message []byte, fn func(number uint64, value []byte) bool) bool {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag>>3 == 0 {
			return false
		}
		message = message[n:]
		var value []byte
		size := uint64(0)
		switch tag & 7 {
		case wireVarint:
			_, n := binary.Uvarint(message)
			if n <= 0 {
				return false
			}
			size = uint64(n)
		case wireFixed64:
			size = 8
		case wireFixed32:
			size = 4
		case wireBytes:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return false
			}
			message = message[n:]
			size, value = length, message[:length]
		default: // groups, which nobody writes any more
			return false
		}
		if size > uint64(len(message)) || !fn(tag>>3, value) {
			return false
		}
		message = message[size:]
	}
	return true
}
