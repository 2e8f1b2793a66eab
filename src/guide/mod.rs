//! The guide: from a function that can be left to `async` and `await`; and tables for those who come
//! from elsewhere.
//!
//! # For those who come from elsewhere
//!
//! What you know, and what it is here; each row compiles:
//! [asyncio](from_asyncio), [Go](from_go), [threads](from_threads), [tokio](from_tokio). And
//! [the pitfalls](pitfalls), with what corobin does about each.
//!
//! # The course
//!
//! Twelve programs in `examples/`, to be read in order, beside their output. Each is one file of less
//! than 120 lines; 03 to 07 are small engines, compared with the real modules at their ends.
//!
//! | `cargo run --example` | what it shows |
//! | --- | --- |
//! | `01_generator` | a function that can be left |
//! | `02_send_throw_close` | what may come back in: PEP 342 and PEP 380 |
//! | `03_round_robin` | a scheduler is a queue and a loop |
//! | `04_sleep` | a heap of timers joins the loop |
//! | `05_join_channel` | waiting for each other: join, channel, deadlock |
//! | `06_poll_socket` | waiting for the world: `poll` and a socket |
//! | `07_async_await` | what `async` and `await` compile to |
//! | `08_stackful_stackless` | where the memory is, what each costs, function colour |
//! | `09_cancel_scope` | cancelling, and structured concurrency |
//! | `10_asyncio_article` | the programs of an asyncio article, one to one |
//! | `11_threads` | coroutines against threads, measured |
//! | `12_debugging` | a hang, a slow step, a trace |

#[doc = include_str!("from_asyncio.md")]
pub mod from_asyncio {}

#[doc = include_str!("from_go.md")]
pub mod from_go {}

#[doc = include_str!("from_threads.md")]
pub mod from_threads {}

#[doc = include_str!("from_tokio.md")]
pub mod from_tokio {}

#[doc = include_str!("pitfalls.md")]
pub mod pitfalls {}
