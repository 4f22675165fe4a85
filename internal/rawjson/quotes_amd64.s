#include "textflag.h"

// SSE2 is a part of amd64, so nothing is asked of the processor.

DATA quote<>+0(SB)/8, $0x2222222222222222
DATA quote<>+8(SB)/8, $0x2222222222222222
GLOBL quote<>(SB), RODATA|NOPTR, $16

DATA slash<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA slash<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL slash<>(SB), RODATA|NOPTR, $16

DATA control<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA control<>+8(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL control<>(SB), RODATA|NOPTR, $16

// PIECE leaves in QUOTES which of the 16 bytes at AT(AX) are quotes, and adds to X7 those that are odd: a byte of a piece has
// its top bit set where it is a backslash, a control character (it is its own minimum with 0x1f) or beyond ASCII.
#define PIECE(AT, QUOTES) \
	MOVOU AT(AX), X0   \
	MOVO  X0, X1       \
	MOVO  X0, X2       \
	MOVO  X0, X3       \
	PCMPEQB X4, X1     \
	PMOVMSKB X1, QUOTES \
	PCMPEQB X5, X2     \
	PMINUB X6, X3      \
	PCMPEQB X0, X3     \
	POR X0, X7         \
	POR X2, X7         \
	POR X3, X7

// func quotesOf(block *[64]byte) (quotes uint64, odd bool)
TEXT ·quotesOf(SB), NOSPLIT, $0-17
	MOVQ  block+0(FP), AX
	MOVOU quote<>(SB), X4
	MOVOU slash<>(SB), X5
	MOVOU control<>(SB), X6
	PXOR  X7, X7
	PIECE(0, BX)
	PIECE(16, CX)
	PIECE(32, DX)
	PIECE(48, SI)
	SHLQ  $16, CX
	SHLQ  $32, DX
	SHLQ  $48, SI
	ORQ   CX, BX
	ORQ   SI, DX
	ORQ   DX, BX
	MOVQ  BX, quotes+8(FP)
	PMOVMSKB X7, DI
	TESTL DI, DI
	SETNE odd+16(FP)
	RET
