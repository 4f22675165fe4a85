//go:build !linux

package fileout

func uncache(handle, int64, int64) {}
