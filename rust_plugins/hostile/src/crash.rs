//! What harms the whole process.

use std::hint::black_box;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

pub(crate) fn segfault() -> ! {
    // SAFETY: there is none. The kernel ends the process.
    unsafe { black_box(std::ptr::without_provenance_mut::<u64>(8)).write_volatile(1) };
    unreachable!("address 8 is mapped")
}

pub(crate) fn hang() -> ! {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

/// Touch so much memory, keep it, and wait for somebody to notice.
pub(crate) fn take_memory(megabytes: usize) -> ! {
    let mut kept = Vec::new();
    for _ in 0..megabytes.div_ceil(16) {
        kept.push(vec![1_u8; 16 << 20]);
        black_box(&kept);
    }
    hang()
}

pub(crate) fn flood(mut out: impl Write, megabytes: usize) {
    let line = [b"hostile ".repeat(127), b"hostile\n".to_vec()].concat();
    for _ in 0..megabytes << 10 {
        if out.write_all(&line).is_err() {
            return;
        }
    }
}

#[allow(unconditional_recursion)]
pub(crate) fn overflow_the_stack(depth: u64) -> u64 {
    let room = [depth; 512];
    black_box(room)[0] + overflow_the_stack(depth + 1)
}
