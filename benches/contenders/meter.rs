//! What the kernel says that this process has used.

use std::fs;
use std::time::Duration;

/// CPU time of all threads of this process so far, user and system.
pub fn process_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer, and the call keeps no pointer to it.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "Linux always has CLOCK_PROCESS_CPUTIME_ID");
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("CPU time is not negative");
    Duration::new(seconds, nanos)
}

/// Bytes of memory that this process holds: resident pages and the page tables that map them.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    kib(&status, "VmRSS:") * 1024 + kib(&status, "VmPTE:") * 1024
}

fn kib(status: &str, field: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in /proc/self/status"))
}
