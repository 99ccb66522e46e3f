/*
 * Entry by the PVH boot protocol (Xen's docs/misc/pvh.pandoc): 32-bit protected mode, paging off, interrupts off,
 * %ebx = physical address of hvm_start_info. QEMU finds the entry by the XEN_ELFNOTE_PHYS32_ENTRY note.
 *
 * The one interrupt this guest takes is the timer's, and only inside wait_for_timer. Its handler never returns through
 * `iret`, which KVM's instruction emulator does not know in protected mode: it drops the interrupt frame and returns from
 * wait_for_timer itself, with interrupts off as the gate left them.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define CODE_SELECTOR 8
#define DATA_SELECTOR 16
#define INTERRUPT_FRAME_BYTES 12
#define PIC_COMMAND 0x20
#define PIC_END_OF_INTERRUPT 0x20

    .section .note.Xen, "a", @note
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long start

    .text
    .globl start
start:
    cli
    cld
    lgdt gdt_pointer
    ljmp $CODE_SELECTOR, $1f
1:  movw $DATA_SELECTOR, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $stack_end, %esp
    pushl %ebx
    call guest_main
2:  hlt
    jmp 2b

/* void load_idt(const struct idt_pointer *) */
    .globl load_idt
load_idt:
    movl 4(%esp), %eax
    lidt (%eax)
    ret

/* int wait_for_timer(uint32_t spins): lets the timer's interrupt in. With 0 spins it halts until the interrupt; otherwise
 * it goes round so many times. Returns 1 after an interrupt, 0 where none came. */
    .globl wait_for_timer
wait_for_timer:
    movl 4(%esp), %ecx
    testl %ecx, %ecx
    jnz 1f
    sti
    hlt
    cli
    xorl %eax, %eax
    ret
1:  sti
2:  pause
    decl %ecx
    jnz 2b
    cli
    xorl %eax, %eax
    ret

    .globl timer_interrupt
timer_interrupt:
    addl $INTERRUPT_FRAME_BYTES, %esp
    movb $PIC_END_OF_INTERRUPT, %al
    outb %al, $PIC_COMMAND
    movl $1, %eax
    ret

/* Any exception is a bug of this guest or of its VMM: say so and stop beating. */
    .globl exception
exception:
    cli
    call guest_exception
3:  hlt
    jmp 3b

    .section .rodata
    .align 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* flat 32-bit code, accessed */
    .quad 0x00cf93000000ffff /* flat 32-bit data, accessed */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .bss
    .align 16
    .skip 16384
stack_end:
