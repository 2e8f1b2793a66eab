//! Several who read at one cursor: each gets one piece, whatever of it is in memory.

use corobin::fs::File;
use corobin::{CoroutineInfo, run, sleep, snapshot, spawn, yield_now};
use rustix::fs::{Advice, fadvise};
use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

const PAGE: u64 = 4096;
const LENGTH: u64 = 64 * PAGE;
const AT_ONCE: usize = 8192;

/// A file of words that count up, on the disk.
fn counting_file(path: &Path) {
    let words: Vec<u8> = (0..LENGTH / 8).flat_map(u64::to_le_bytes).collect();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&words).unwrap();
    file.sync_all().unwrap();
}

/// Opens it with every second page in memory, as far as the file system obeys.
fn open_half_cached(path: &Path) -> File {
    let file = std::fs::File::open(path).unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    // Else a read brings in what is behind.
    fadvise(&file, 0, None, Advice::Random).unwrap();
    for page in (0..LENGTH / PAGE).step_by(2) {
        use std::os::unix::fs::FileExt;
        file.read_exact_at(&mut [0], page * PAGE).unwrap();
    }
    for page in (1..LENGTH / PAGE).step_by(2) {
        fadvise(&file, page * PAGE, NonZeroU64::new(PAGE), Advice::DontNeed).unwrap();
    }
    file.into()
}

/// What is read until the end, in pieces.
fn pieces(mut file: &File, read: impl Fn(&mut &File, &mut [u8]) -> usize) -> Vec<Vec<u64>> {
    let mut pieces = Vec::new();
    let mut buf = vec![0; AT_ONCE];
    loop {
        let count = read(&mut file, &mut buf);
        if count == 0 {
            return pieces;
        }
        let (words, rest) = buf[..count].as_chunks();
        assert!(rest.is_empty(), "read {count} bytes");
        pieces.push(words.iter().copied().map(u64::from_le_bytes).collect());
        yield_now();
    }
}

fn some(file: &mut &File, buf: &mut [u8]) -> usize {
    file.read(buf).unwrap()
}

fn exactly(file: &mut &File, buf: &mut [u8]) -> usize {
    match file.read_exact(buf) {
        Ok(()) => buf.len(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            0
        }
    }
}

fn check(mut pieces: Vec<Vec<u64>>) {
    for piece in &pieces {
        let in_one_piece = piece.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        assert!(in_one_piece, "a piece from {} has a gap", piece[0]);
        assert_eq!(piece.len() * 8, AT_ONCE, "not as long as it could be");
    }
    pieces.sort_unstable();
    assert!(pieces.into_iter().flatten().eq(0..LENGTH / 8));
}

/// The pieces that four coroutines read of a file they share.
fn read_by_four(
    file: &Arc<File>,
    read: impl Fn(&mut &File, &mut [u8]) -> usize + Copy + 'static,
) -> Vec<Vec<u64>> {
    run(|| {
        let readers = [(); 4].map(|()| {
            let file = Arc::clone(file);
            spawn(move || pieces(&file, read))
        });
        let read = readers.into_iter().map(|reader| reader.join().unwrap());
        read.flatten().collect()
    })
}

#[test]
fn coroutines_that_share_a_cursor_read_one_piece_each() {
    let dir = TempDir::new();
    let path = dir.join("words");
    counting_file(&path);
    for _ in 0..150 {
        check(read_by_four(&Arc::new(open_half_cached(&path)), some));
        check(read_by_four(&Arc::new(open_half_cached(&path)), exactly));
    }
}

#[test]
fn so_do_those_of_several_threads() {
    let dir = TempDir::new();
    let path = dir.join("words");
    counting_file(&path);
    for round in 0..30 {
        let file = Arc::new(open_half_cached(&path));
        let threads = [(); 3].map(|()| {
            let file = Arc::clone(&file);
            std::thread::spawn(move || match round % 2 {
                0 => read_by_four(&file, some),
                _ => read_by_four(&file, exactly),
            })
        });
        let read = threads.map(|thread| thread.join().unwrap());
        check(read.into_iter().flatten().collect());
    }
}

#[test]
fn a_reader_who_waits_for_a_writer_holds_nobody_up() {
    let dir = TempDir::new();
    let path = dir.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    run(|| {
        let both = File::options().read(true).write(true).open(&path).unwrap();
        let mut other = both.try_clone().unwrap();
        let reader = spawn(move || {
            let mut buf = [0; 5];
            (&both).read_exact(&mut buf).map(|()| buf)
        });
        let waits = |info: &CoroutineInfo| info.waits_on.is_some();
        while !snapshot().coroutines.iter().any(waits) {
            yield_now();
        }
        // In its thread too, most likely.
        sleep(Duration::from_millis(10));
        other.write_all(b"hello").unwrap();
        assert_eq!(&reader.join().unwrap().unwrap(), b"hello");
    });
}
