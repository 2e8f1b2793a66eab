//! Stacks are as large as was asked for, survive a panic where the documentation says so, and end
//! the process where they overflow. What ends the process runs in a process of its own: this file
//! started again, with a variable that names the case.

#[path = "common/child.rs"]
mod child;
#[path = "common/sizes.rs"]
mod sizes;

use std::cell::Cell;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, JoinHandle, Runtime, Yielder, park, run, sleep, spawn, yield_now,
};

use child::{Output, child_output, no_core_dump};
use sizes::{large_frame, recurse};

const CASE: &str = "COROBIN_TEST_CASE";
const KIB: usize = 1 << 10;

/// The smallest stack that survives a panic with `RUST_BACKTRACE=1`, with room for some frames.
const DOCUMENTED: usize = 32 * KIB;
/// So much of it is in use when the panic comes.
const IN_USE: usize = 4 * KIB;

/// What the engine itself uses of a stack, with room for the frames of a probe.
const SLACK: usize = if cfg!(debug_assertions) { 7 } else { 4 } * KIB;

/// Runs `test` of this file alone, in another process, as `case`.
fn in_another_process(test: &str, case: &str) -> Output {
    let variables = [
        (CASE, case),
        ("RUST_BACKTRACE", "1"),
        ("RUST_LIB_BACKTRACE", "1"),
    ];
    child_output(test, &variables)
}

/// The case that this process was started for, if it was.
fn case() -> Option<String> {
    std::env::var(CASE).ok()
}

#[inline(never)]
fn stack_pointer() -> usize {
    let here = 0_u8;
    black_box(&raw const here).addr()
}

/// Fills frames with `value` until they reach `bytes` below `top`, then calls `at_the_bottom`, and
/// checks on the way back that nobody has written to them. Returns how deep it came.
#[inline(never)]
fn fill(top: usize, bytes: usize, value: u8, at_the_bottom: &dyn Fn()) -> usize {
    let frame = black_box([value; 256]);
    let deep = top - frame.as_ptr().addr();
    let deepest = if deep + 1024 >= bytes {
        at_the_bottom();
        deep
    } else {
        fill(top, bytes, value, at_the_bottom)
    };
    assert!(frame.iter().all(|&byte| byte == value));
    deepest
}

fn fill_to(bytes: usize) {
    let deepest = fill(stack_pointer(), bytes, 0xa5, &|| ());
    assert!(deepest + 2048 >= bytes, "{deepest} of {bytes}");
}

#[test]
fn smoke() {
    if case().as_deref() == Some("smoke") {
        println!("in another process");
        return;
    }
    let output = in_another_process("smoke", "smoke");
    assert!(output.status.success());
    assert!(output.text.contains("in another process"));
    run(|| {
        let small = Builder::new().stack_size(DOCUMENTED);
        assert_eq!(small.spawn(|| 1).unwrap().join().unwrap(), 1);
    });
}

#[test]
fn every_byte_of_a_coroutine_can_be_used() {
    run(|| {
        spawn(|| fill_to(256 * KIB - SLACK)).join().unwrap();
        for size in [8, 12, 16, 20, 32, 60, 64, 100, 1024, 5000] {
            let size = size * KIB;
            for bytes in [size - 4095, size - 1, size] {
                let sized = Builder::new().stack_size(bytes);
                let filled = sized.spawn(move || fill_to(size - SLACK)).unwrap();
                filled.join().unwrap();
            }
        }
    });
    for size in [64 * KIB, 1024 * KIB] {
        let builder = Runtime::builder()
            .stack_size(size)
            .main_stack_size(2 * size);
        builder.build().unwrap().run(|| {
            fill_to(2 * size - SLACK);
            spawn(move || fill_to(size - SLACK)).join().unwrap();
            fill_to(2 * size - SLACK);
        });
    }
    run(|| fill_to(8192 * KIB - SLACK));
}

#[test]
fn every_byte_of_a_generator_can_be_used() {
    fn all() {
        let new = Generator::new(|y: &Yielder<()>| {
            fill_to(256 * KIB - SLACK);
            y.yield_(());
            fill_to(256 * KIB - SLACK);
        });
        assert_eq!(new.count(), 1);
        for size in [8, 12, 16, 32, 64, 100, 1024] {
            let size = size * KIB;
            let body = move |y: &Yielder<()>| {
                fill(stack_pointer(), size - SLACK, 1, &|| y.yield_(()));
            };
            assert_eq!(Generator::with_stack_size(size, body).unwrap().count(), 1);
        }
    }
    all();
    run(all);
}

#[test]
fn full_stacks_side_by_side_leave_each_other_alone() {
    for size in [16 * KIB, 64 * KIB, 256 * KIB] {
        run(|| {
            let full = Rc::new(Cell::new(0));
            let handles: Vec<JoinHandle<()>> = (0..70)
                .map(|value| {
                    let full = full.clone();
                    let sized = Builder::new().stack_size(size);
                    let body = move || {
                        fill(stack_pointer(), size - SLACK, value, &|| {
                            full.set(full.get() + 1);
                            park();
                        });
                    };
                    sized.spawn(body).unwrap()
                })
                .collect();
            yield_now();
            assert_eq!(full.get(), 70);
            for handle in &handles {
                handle.coroutine().unpark();
            }
            corobin::gather(handles).unwrap();
        });
    }
}

#[inline(never)]
fn panic_below(bytes: usize, n: usize) {
    let panic = || panic!("panic of {}", black_box(n));
    match bytes {
        0 => panic(),
        _ => _ = fill(stack_pointer(), bytes, 7, &panic),
    }
}

/// How many coroutines or generators panic in one process.
const PANICS: usize = 70;

/// Makes coroutines with stacks of `bytes` and lets them panic, number `first` before the others:
/// the first panic of a process needs more than those after it.
fn panic_in_coroutines(bytes: usize, in_use: usize, first: usize) {
    run(|| {
        let mut handles: Vec<Option<JoinHandle<()>>> = (0..PANICS)
            .map(|n| {
                let sized = Builder::new().stack_size(bytes);
                let body = move || {
                    park();
                    panic_below(in_use, n);
                };
                Some(sized.spawn(body).unwrap())
            })
            .collect();
        yield_now();
        for n in std::iter::once(first).chain((0..PANICS).filter(|&n| n != first)) {
            let handle = handles[n].take().unwrap();
            handle.coroutine().unpark();
            let Err(JoinError::Panicked(payload)) = handle.join() else {
                panic!("not a panic");
            };
            assert_eq!(
                *payload.downcast::<String>().unwrap(),
                format!("panic of {n}")
            );
        }
    });
    println!("survived");
}

/// The same with generators.
fn panic_in_generators(bytes: usize, in_use: usize, first: usize) {
    let mut generators: Vec<Generator<()>> = (0..PANICS)
        .map(|n| {
            let body = move |y: &Yielder<()>| {
                y.yield_(());
                panic_below(in_use, n);
            };
            let mut generator = Generator::with_stack_size(bytes, body).unwrap();
            generator.start();
            generator
        })
        .collect();
    for n in std::iter::once(first).chain((0..PANICS).filter(|&n| n != first)) {
        let generator = std::panic::AssertUnwindSafe(&mut generators[n]);
        let raised = std::panic::catch_unwind(|| { generator }.send(())).unwrap_err();
        assert_eq!(
            *raised.downcast::<String>().unwrap(),
            format!("panic of {n}")
        );
    }
    println!("survived");
}

/// Runs the cases `coroutines` and `generators` of `test`, which calls this, in other processes,
/// and says whether they survive.
fn panics_survive(test: &str, bytes: usize, in_use: usize) -> bool {
    // Stacks differ in where on a page they start; the numbers meet both ends.
    ["coroutines", "generators"].iter().all(|kind| {
        [0, 30, 31, 32].iter().all(|first| {
            let output = in_another_process(test, &format!("{kind} {bytes} {in_use} {first}"));
            let text = output.text;
            let survived = output.status.success() && text.contains("survived");
            if survived {
                assert!(text.contains("stack backtrace"), "{text}");
                assert!(text.contains(&format!("panic of {}", PANICS - 1)), "{text}");
            } else {
                assert_ne!(output.status.signal(), None, "{text}");
            }
            survived
        })
    })
}

/// What another process was started for by `panics_survive`.
fn panic_as(case: &str) {
    let (kind, numbers) = case.split_once(' ').unwrap();
    let numbers: Vec<usize> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
    match kind {
        "coroutines" => panic_in_coroutines(numbers[0], numbers[1], numbers[2]),
        _ => panic_in_generators(numbers[0], numbers[1], numbers[2]),
    }
}

#[test]
fn the_documented_size_survives_a_panic_with_a_backtrace() {
    const TEST: &str = "the_documented_size_survives_a_panic_with_a_backtrace";
    match case() {
        Some(case) => panic_as(&case),
        None => assert!(panics_survive(TEST, DOCUMENTED, IN_USE)),
    }
}

#[test]
#[ignore = "a measurement"]
fn the_smallest_size_that_survives_a_panic_with_a_backtrace() {
    const TEST: &str = "the_smallest_size_that_survives_a_panic_with_a_backtrace";
    if let Some(case) = case() {
        panic_as(&case);
        return;
    }
    let sizes = (1..).map(|pages| pages * 4 * KIB);
    let smallest = sizes.skip_while(|&bytes| !panics_survive(TEST, bytes, 0));
    println!("the smallest: {:?} bytes", { smallest }.next());
}

/// The patterns of the neighbours, for the witness to look at.
static PATTERNS: [AtomicPtr<u8>; 64] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 64];
const PATTERN_BYTES: usize = 8 * KIB;

/// Stands on a stack next to the one that overflows.
fn neighbour(index: usize) -> Generator<()> {
    let body = move |y: &Yielder<()>| {
        let mut pattern = black_box([index as u8 + 1; PATTERN_BYTES]);
        PATTERNS[index].store(pattern.as_mut_ptr(), SeqCst);
        y.yield_(());
        PATTERNS[index].store(std::ptr::null_mut(), SeqCst);
        black_box(&pattern);
    };
    let mut generator = Generator::with_stack_size(VICTIM, body).unwrap();
    generator.start();
    generator
}

/// The stack size of all who overflow, and of their neighbours.
const VICTIM: usize = 32 * KIB;

/// Called with the signal that an overflow raises: tells whether the neighbours are intact, and
/// lets the signal end the process.
extern "C" fn witness(signal: libc::c_int) {
    let mut patterns = 0;
    let mut intact = true;
    for (index, pattern) in PATTERNS.iter().enumerate() {
        let pattern = pattern.load(SeqCst);
        if !pattern.is_null() {
            // SAFETY: the pattern is a local of a generator that is suspended until the end.
            let pattern = unsafe { std::slice::from_raw_parts(pattern, PATTERN_BYTES) };
            intact &= pattern.iter().all(|&byte| byte == index as u8 + 1);
            patterns += 1;
        }
    }
    let text: &str = match intact && patterns >= 10 {
        true => "neighbours intact\n",
        false => "neighbours corrupted\n",
    };
    // SAFETY: both may be called in a signal handler.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Lets the witness see SIGSEGV and SIGBUS of this thread, on a stack of its own.
fn call_witness() {
    let stack = Box::leak(vec![0_u8; 64 * KIB].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: the stack is never freed; the handler does only what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = witness as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaltstack(&stack, std::ptr::null_mut()), 0);
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }
}

/// The ways to use too much, by name.
fn overflow(way: &str) {
    // Here, so that it comes after whatever else listens to these signals.
    call_witness();
    match way {
        "recursion" => _ = black_box(recurse(1)),
        // One frame that ends in the guard, in the next stack, and beyond some of them.
        "frame of a page more" => large_frame::<{ VICTIM + 4 * KIB }>(),
        "frame of two stacks" => large_frame::<{ 2 * VICTIM }>(),
        "frame of ten stacks" => large_frame::<{ 10 * VICTIM }>(),
        _ => panic!("unknown way: {way}"),
    }
}

const WAYS: [&str; 4] = [
    "recursion",
    "frame of a page more",
    "frame of two stacks",
    "frame of ten stacks",
];

/// In other processes, one for each way, runs `overflows`, which must end the process with a signal
/// and leave the neighbours as they were.
fn assert_ends_the_process(test: &str, overflows: impl FnOnce(&'static str)) {
    if let Some(case) = case() {
        no_core_dump();
        overflows(WAYS.into_iter().find(|way| *way == case).unwrap());
        println!("survived");
        return;
    }
    for way in WAYS {
        let output = in_another_process(test, way);
        let (text, signal) = (output.text, output.status.signal());
        let by_signal = [libc::SIGSEGV, libc::SIGABRT].map(Some).contains(&signal);
        assert!(by_signal, "{way}: {}, {text}", output.status);
        assert!(text.contains("neighbours intact"), "{way}: {text}");
        assert!(!text.contains("survived"), "{way}: {text}");
    }
}

#[test]
fn overflow_on_a_fresh_stack_ends_the_process() {
    const TEST: &str = "overflow_on_a_fresh_stack_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        run(|| {
            let _below: Vec<_> = (0..10).map(neighbour).collect();
            let victim = Builder::new().stack_size(VICTIM).spawn(move || {
                park();
                overflow(way);
            });
            let victim = victim.unwrap();
            yield_now();
            let _above: Vec<_> = (10..20).map(neighbour).collect();
            victim.coroutine().unpark();
            drop(victim.join());
        });
    });
}

#[test]
fn overflow_on_a_reused_stack_ends_the_process() {
    const TEST: &str = "overflow_on_a_reused_stack_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        run(|| {
            let mut neighbours: Vec<_> = (0..20).map(neighbour).collect();
            let before = neighbours.remove(10);
            assert_eq!(before.count(), 0);
            for _ in 0..3 {
                let other = Builder::new().stack_size(VICTIM);
                let other = other.spawn(|| fill_to(VICTIM - SLACK)).unwrap();
                other.join().unwrap();
            }
            let victim = Builder::new().stack_size(VICTIM);
            let victim = victim.spawn(move || overflow(way)).unwrap();
            drop(victim.join());
            drop(neighbours);
        });
    });
}

#[test]
fn overflow_on_a_stack_whose_memory_was_given_back_ends_the_process() {
    const TEST: &str = "overflow_on_a_stack_whose_memory_was_given_back_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        let victim = |overflows: bool| {
            let body = move |y: &Yielder<()>| {
                y.yield_(());
                if overflows {
                    overflow(way);
                }
            };
            let mut generator = Generator::with_stack_size(VICTIM, body).unwrap();
            generator.start();
            generator
        };
        let mut neighbours = Vec::new();
        let mut crowd = Vec::new();
        for index in 0..20 {
            crowd.extend((0..200).map(|_| victim(false)));
            neighbours.push(neighbour(index));
        }
        // More than are kept warm.
        drop(crowd);
        let crowd: Vec<_> = (0..2000).map(|_| victim(false)).collect();
        victim(true).send(());
        drop((crowd, neighbours));
    });
}

#[test]
fn overflow_in_a_generator_ends_the_process() {
    const TEST: &str = "overflow_in_a_generator_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        let _below: Vec<_> = (0..10).map(neighbour).collect();
        let body = move |y: &Yielder<()>| {
            y.yield_(());
            overflow(way);
        };
        let mut victim = Generator::with_stack_size(VICTIM, body).unwrap();
        victim.start();
        let _above: Vec<_> = (10..20).map(neighbour).collect();
        victim.send(());
    });
}

#[test]
fn overflow_in_a_generator_in_a_coroutine_ends_the_process() {
    const TEST: &str = "overflow_in_a_generator_in_a_coroutine_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        let mut runtime = Runtime::builder().stack_size(VICTIM).build().unwrap();
        runtime.run(|| {
            let _below: Vec<_> = (0..10).map(neighbour).collect();
            let outer = spawn(move || {
                let inner = move |y: &Yielder<()>| {
                    sleep(Duration::from_millis(1));
                    y.yield_(());
                    overflow(way);
                };
                let mut inner = Generator::with_stack_size(VICTIM, inner).unwrap();
                inner.start();
                park();
                inner.send(());
            });
            yield_now();
            sleep(Duration::from_millis(5));
            let _above: Vec<_> = (10..20).map(neighbour).collect();
            outer.coroutine().unpark();
            drop(outer.join());
        });
    });
}

#[test]
fn overflow_of_the_main_coroutine_ends_the_process() {
    const TEST: &str = "overflow_of_the_main_coroutine_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        let _neighbours: Vec<_> = (0..20).map(neighbour).collect();
        let builder = Runtime::builder().main_stack_size(VICTIM);
        builder.build().unwrap().run(|| overflow(way));
    });
}

#[test]
fn overflow_during_an_unwinding_ends_the_process() {
    struct OverflowsOnDrop(&'static str);

    impl Drop for OverflowsOnDrop {
        fn drop(&mut self) {
            overflow(self.0);
        }
    }

    const TEST: &str = "overflow_during_an_unwinding_ends_the_process";
    assert_ends_the_process(TEST, |way| {
        run(|| {
            let _neighbours: Vec<_> = (0..20).map(neighbour).collect();
            let victim = Builder::new().stack_size(VICTIM).spawn(move || {
                let _last = OverflowsOnDrop(way);
                park();
            });
            yield_now();
            let victim = victim.unwrap();
            victim.cancel();
            drop(victim.join());
        });
    });
}
