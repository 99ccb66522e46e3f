/*
 * The smallest guest that the driver's tests need: a PVH ELF in 32-bit protected mode without paging.
 * It prints "A", then adds 1 to the first word of every page from 4 to 8 MiB for ever and prints "." after each pass.
 * "p" on its serial port powers off (ACPI S5 as SeaBIOS sets it up), "r" resets, "c" reports a crash to a pvpanic device in PCI
 * slot 5, "x" runs an instruction that KVM's emulator does not know.
 */
	.section .note.xen, "a", @note
	.align 4
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.align 4
	.long _start

	.text
	.code32
	.globl _start
_start:	cli
	movw $0x3f8, %dx
	movb $'A', %al
	outb %al, %dx
pass:	movl $0x400000, %edi
1:	incl (%edi)
	addl $4096, %edi
	cmpl $0x800000, %edi
	jb 1b
	movw $0x3f8, %dx
	movb $'.', %al
	outb %al, %dx
	movw $0x3fd, %dx
	inb %dx, %al
	testb $1, %al
	jz pass
	movw $0x3f8, %dx
	inb %dx, %al
	cmpb $'p', %al
	je power_off
	cmpb $'r', %al
	je reset
	cmpb $'c', %al
	je crash
	cmpb $'x', %al
	je unknown
	jmp pass
power_off:
	movw $0x604, %dx
	movw $0x2000, %ax
	outw %ax, %dx
	jmp pass
reset:	movb $0xfe, %al
	outb %al, $0x64
	jmp pass
crash:	movw $0xcf8, %dx		/* the device's first BAR, where the firmware put it */
	movl $0x80002810, %eax
	outl %eax, %dx
	movw $0xcfc, %dx
	inl %dx, %eax
	andl $0xfffffff0, %eax
	movb $1, (%eax)			/* PVPANIC_PANICKED */
	jmp pass
unknown:
	movl %cr0, %eax			/* SSE on, as far as it goes */
	andl $0xfffffffb, %eax
	orl $2, %eax
	movl %eax, %cr0
	movl %cr4, %eax
	orl $0x200, %eax
	movl %eax, %cr4
	paddd %xmm0, %xmm0
	jmp pass
