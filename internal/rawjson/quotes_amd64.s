#include "textflag.h"

DATA quote<>+0(SB)/1, $0x22
GLOBL quote<>(SB), RODATA|NOPTR, $1

DATA slash<>+0(SB)/1, $0x5c
GLOBL slash<>(SB), RODATA|NOPTR, $1

DATA space<>+0(SB)/1, $0x20
GLOBL space<>(SB), RODATA|NOPTR, $1

// func quotesAVX2(b []byte, quotes *[ahead]uint64) (odd uint)
//
// A byte is odd where it is a backslash, or less than a space: signed, so that what is beyond ASCII is too.
TEXT ·quotesAVX2(SB), NOSPLIT, $0-40
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), R8
	MOVQ quotes+24(FP), DI
	VPBROADCASTB quote<>(SB), Y5
	VPBROADCASTB slash<>(SB), Y6
	VPBROADCASTB space<>(SB), Y7
	XORL R9, R9  // odd
	XORL CX, CX  // of the block
	SHRQ $6, R8  // blocks

next:
	CMPQ      CX, R8
	JGE       done
	VMOVDQU   (SI), Y0
	VMOVDQU   32(SI), Y1
	VPCMPEQB  Y0, Y5, Y2
	VPCMPEQB  Y1, Y5, Y3
	VPMOVMSKB Y2, AX
	VPMOVMSKB Y3, BX
	SHLQ      $32, BX
	ORQ       BX, AX
	MOVQ      AX, (DI)(CX*8)
	VPCMPGTB  Y0, Y7, Y2
	VPCMPGTB  Y1, Y7, Y3
	VPCMPEQB  Y0, Y6, Y0
	VPCMPEQB  Y1, Y6, Y1
	VPOR      Y2, Y3, Y2
	VPOR      Y0, Y1, Y0
	VPOR      Y0, Y2, Y0
	VPMOVMSKB Y0, AX
	XORL      BX, BX
	TESTL     AX, AX
	SETNE     BX
	SHLQ      CX, BX
	ORQ       BX, R9
	ADDQ      $64, SI
	INCQ      CX
	JMP       next

done:
	VZEROUPPER
	MOVQ R9, odd+32(FP)
	RET
