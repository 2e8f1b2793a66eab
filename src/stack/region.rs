//! A run of equal stacks in one mapping, each above a guard of its own.
//!
//! ```text
//!  low address                                              high address
//!  |guard| stack 0 ........ |guard| stack 1 ........ |guard| stack 2 ....|
//!        ^ grows down from its top    ^ an overflow of stack 1 hits its guard
//! ```
//!
//! Guards are `MADV_GUARD_INSTALL` markers (Linux 6.13): they live in the page
//! table and cost no mapping. Older kernels get `mprotect`, which splits the
//! mapping in two for every guard and so ends at `vm.max_map_count`.

use std::io;
use std::ptr::{self, NonNull};

use super::registry;

/// `MADV_GUARD_INSTALL`, see madvise(2).
const GUARD_INSTALL: libc::c_int = 102;
/// `PIDFD_SELF_THREAD_GROUP` (Linux 6.14): process_madvise(2) on oneself.
const SELF: libc::c_int = -10_001;
/// The most ranges that one process_madvise(2) takes (`IOV_MAX`).
const BATCH: usize = 1024;

/// How big a stack is and what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Guard bytes, a multiple of the page size.
    pub(crate) guard: usize,
    /// Bytes above the guard, a multiple of the page size.
    pub(crate) body: usize,
}

impl Shape {
    /// From the start of one guard to the start of the next.
    pub(crate) fn stride(self) -> usize {
        self.guard + self.body
    }
}

/// Which kind of guard a region may use; [`Guards::Best`] outside of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guards {
    /// Markers if the kernel has them, else `mprotect`.
    Best,
    #[cfg(test)]
    Mprotect,
}

/// One mapping that holds `len` stacks. Unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Region {
    start: NonNull<u8>,
    shape: Shape,
    /// Stacks that have their guard; the tail of the mapping may have none.
    len: usize,
    mapped: usize,
    /// Where signal handlers find it.
    entry: Option<&'static registry::Entry>,
}

impl Region {
    /// Maps `len` stacks, or fewer where the kernel stops giving guards.
    ///
    /// # Errors
    /// No address space, or not even one guard.
    pub(crate) fn map(shape: Shape, len: usize, guards: Guards) -> io::Result<Region> {
        let bytes = shape.stride().checked_mul(len).ok_or_else(too_big)?;
        let start = map_memory(bytes).map_err(|error| {
            let text = format!("cannot map {bytes} bytes for coroutine stacks: {error}");
            io::Error::new(error.kind(), text)
        })?;
        let mut region = Region {
            start: start.cast(),
            shape,
            len,
            mapped: bytes,
            entry: None,
        };
        // A huge page would make the first touch of one stack pay for hundreds.
        // SAFETY: the range is the mapping made above. Failure only means a
        // kernel built without huge pages.
        unsafe { libc::madvise(start.as_ptr(), bytes, libc::MADV_NOHUGEPAGE) };
        region.len = region.install_guards(guards)?;
        region.entry = Some(registry::add(region.low(0), shape, region.len));
        Ok(region)
    }

    /// Guards as many stacks as it can, from the first on.
    fn install_guards(&self, guards: Guards) -> io::Result<usize> {
        let mut done = 0;
        if guards == Guards::Best {
            if self.len > 1 {
                done = self.install_batched();
            }
            while done < self.len && self.install_marker(done) {
                done += 1;
            }
        }
        while done < self.len {
            match self.protect(done) {
                Ok(()) => done += 1,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// One system call for up to 1 024 guards. Returns how many were installed.
    fn install_batched(&self) -> usize {
        let mut done = 0;
        while done < self.len {
            let ranges: Vec<libc::iovec> = (done..self.len.min(done + BATCH))
                .map(|index| libc::iovec {
                    iov_base: self.low(index) as *mut libc::c_void,
                    iov_len: self.shape.guard,
                })
                .collect();
            // SAFETY: every range lies in this mapping, in pages that no stack
            // uses; the kernel only reads the array of ranges.
            let advised = unsafe {
                libc::syscall(
                    libc::SYS_process_madvise,
                    SELF,
                    ranges.as_ptr(),
                    ranges.len(),
                    GUARD_INSTALL,
                    0,
                )
            };
            let whole = usize::try_from(advised).unwrap_or(0) / self.shape.guard;
            done += whole;
            if whole < ranges.len() {
                break;
            }
        }
        done
    }

    fn install_marker(&self, index: usize) -> bool {
        // SAFETY: the range is the guard of a stack of this mapping.
        unsafe {
            libc::madvise(
                self.low(index) as *mut libc::c_void,
                self.shape.guard,
                GUARD_INSTALL,
            ) == 0
        }
    }

    fn protect(&self, index: usize) -> io::Result<()> {
        // SAFETY: the range is the guard of a stack of this mapping.
        let failed = unsafe {
            libc::mprotect(
                self.low(index) as *mut libc::c_void,
                self.shape.guard,
                libc::PROT_NONE,
            ) != 0
        };
        if !failed {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(io::Error::new(
            error.kind(),
            format!(
                "cannot guard a coroutine stack: {error}; before Linux 6.13 every guard takes a \
                 mapping, and a process may have vm.max_map_count of them (raise it with sysctl, \
                 or keep fewer coroutines alive)"
            ),
        ))
    }

    /// How many stacks it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the guard of stack `index` starts.
    pub(crate) fn low(&self, index: usize) -> usize {
        self.start.as_ptr() as usize + index * self.shape.stride()
    }

    /// The index of the stack that `address` belongs to.
    pub(crate) fn index_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.low(0))?;
        let index = offset / self.shape.stride();
        (index < self.len).then_some(index)
    }

    /// Gives the memory of stack `index` back to the system; its guard stays.
    ///
    /// # Safety
    /// Nothing on that stack is used any more.
    pub(crate) unsafe fn discard(&self, index: usize) {
        // SAFETY: the body of one stack of this mapping, unused as the caller
        // promises. Failure leaves the memory where it is, which is no harm.
        unsafe {
            libc::madvise(
                (self.low(index) + self.shape.guard) as *mut libc::c_void,
                self.shape.body,
                libc::MADV_DONTNEED,
            );
        }
    }

    /// Gives the memory of stack `index` that is more than a page below `base` back
    /// to the system.
    ///
    /// # Safety
    /// Nothing there is used any more.
    pub(crate) unsafe fn discard_below(&self, index: usize, base: usize) {
        let from = self.low(index) + self.shape.guard;
        let page = page_size();
        let to = (base / page).saturating_sub(1) * page;
        if let Some(length) = to.checked_sub(from).filter(|&length| length > 0) {
            // SAFETY: whole pages of one stack of this mapping, unused as the
            // caller promises.
            unsafe { libc::madvise(from as *mut libc::c_void, length, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            entry.remove();
        }
        // SAFETY: the mapping is ours; whoever drops a region has made sure
        // that none of its stacks is in use.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.mapped) };
    }
}

/// Fresh memory, which costs nothing before it is touched.
///
/// # Errors
/// The system gives none.
pub(crate) fn map_memory(bytes: usize) -> io::Result<NonNull<libc::c_void>> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice overlaps nothing of ours.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    match start {
        libc::MAP_FAILED => Err(io::Error::last_os_error()),
        start => Ok(NonNull::new(start).expect("mmap never returns null")),
    }
}

/// Whether each of `pages` pages of a mapping is in memory. `None` if the kernel does
/// not tell.
pub(crate) fn touched(start: usize, pages: usize) -> Option<impl Iterator<Item = bool>> {
    let mut touched = vec![0_u8; pages];
    let bytes = pages * page_size();
    // SAFETY: the kernel writes a byte for each page of the range, and reads none.
    let told = unsafe { libc::mincore(start as *mut libc::c_void, bytes, touched.as_mut_ptr()) };
    (told == 0).then(|| touched.into_iter().map(|byte| byte & 1 != 0))
}

/// The page size of this machine in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

pub(crate) fn too_big() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the stack size is larger than the address space; the limit is 64 TiB",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            guard: page_size(),
            body: 4 * page_size(),
        }
    }

    /// Lets the kernel copy a byte from `address`: `EFAULT` on a guard.
    fn readable(address: usize) -> bool {
        let mut pipe = [0; 2];
        // SAFETY: `pipe` is two integers; write(2) reports a bad address
        // instead of raising a signal.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let written = libc::write(pipe[1], address as *const libc::c_void, 1);
            libc::close(pipe[0]);
            libc::close(pipe[1]);
            written == 1
        }
    }

    fn assert_guarded(region: &Region) {
        for index in 0..region.len() {
            let low = region.low(index);
            assert!(!readable(low), "guard {index}");
            assert!(!readable(low + region.shape.guard - 1), "guard {index}");
            assert!(readable(low + region.shape.guard), "body {index}");
            assert!(readable(low + region.shape.stride() - 1), "body {index}");
        }
    }

    #[test]
    fn every_stack_is_guarded() {
        for len in [1, 2, 1025] {
            let region = Region::map(shape(), len, Guards::Best).unwrap();
            assert_eq!(region.len(), len);
            assert_guarded(&region);
        }
    }

    #[test]
    fn mprotect_guards_work_too() {
        let region = Region::map(shape(), 10, Guards::Mprotect).unwrap();
        assert_guarded(&region);
    }

    #[test]
    fn guards_survive_a_discard() {
        let region = Region::map(shape(), 3, Guards::Best).unwrap();
        // SAFETY: nobody uses these stacks.
        unsafe { region.discard(1) };
        assert_guarded(&region);
    }

    #[test]
    fn an_address_tells_its_stack() {
        let region = Region::map(shape(), 3, Guards::Best).unwrap();
        assert_eq!(region.index_of(region.low(0) - 1), None);
        assert_eq!(region.index_of(region.low(0)), Some(0));
        assert_eq!(region.index_of(region.low(2) + 5), Some(2));
        assert_eq!(region.index_of(region.low(3)), None);
    }

    /// In a process of its own: meanwhile nobody else could start a thread.
    #[test]
    fn the_limit_of_mprotect_is_explained() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact"])
            .arg("stack::region::tests::child_maps_up_to_the_limit")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    }

    #[test]
    #[ignore = "a child of another test"]
    fn child_maps_up_to_the_limit() {
        // Ends at vm.max_map_count where that has its usual value of 65 530.
        let mut regions = Vec::new();
        for _ in 0..40 {
            match Region::map(shape(), 1024, Guards::Mprotect) {
                Ok(region) => regions.push(region),
                Err(error) => {
                    assert!(error.to_string().contains("vm.max_map_count"), "{error}");
                    break;
                }
            }
        }
    }

    #[test]
    fn sizes_beyond_the_address_space_are_errors() {
        let huge = Shape {
            guard: page_size(),
            body: 1 << 60,
        };
        assert!(Region::map(huge, 1, Guards::Best).is_err());
        assert!(Region::map(huge, 1 << 10, Guards::Best).is_err());
    }
}
