//! The guide: from a function that can be left to `async` and `await`; and tables for those who come
//! from elsewhere.
//!
//! # The course
//!
//! Twelve chapters, each with a program of less than 120 lines in `examples/`: one file, but for chapter
//! 10, where programs in Python lie beside it. The tests run each and compare what it prints. Read
//! the chapter, run the program, read its source, do the exercise: some ten minutes each. 03 to 07 are
//! small engines, and say at their ends what the real module adds. `cargo run --example playground`
//! writes pages on which such programs, run by the real engine, can be played step by step: the queue,
//! the lanes, and the line of each stop.
//!
//! | chapter | `cargo run --example` | what it shows |
//! | --- | --- | --- |
//! | [1](c01_generator) | `01_generator` | a function that can be left |
//! | [2](c02_send_throw_close) | `02_send_throw_close` | what may come back in: PEP 342 and PEP 380 |
//! | [3](c03_round_robin) | `03_round_robin` | a scheduler is a queue and a loop |
//! | [4](c04_sleep) | `04_sleep` | a heap of timers joins the loop |
//! | [5](c05_join_channel) | `05_join_channel` | waiting for each other: join, channel, deadlock |
//! | [6](c06_poll_socket) | `06_poll_socket` | waiting for the world: `poll` and a socket |
//! | [7](c07_async_await) | `07_async_await` | what `async` and `await` compile to |
//! | [8](c08_stackful_stackless) | `08_stackful_stackless` | where the memory is, what each costs, function colour |
//! | [9](c09_cancel_scope) | `09_cancel_scope` | cancelling, and structured concurrency |
//! | [10](c10_asyncio_article) | `10_asyncio_article` | five usual asyncio programs, one to one |
//! | [11](c11_threads) | `11_threads` | coroutines against threads, measured |
//! | [12](c12_debugging) | `12_debugging` | a hang, a slow step, a trace |
//!
//! Three pictures: [stacks and a switch](c01_generator#two-stacks-and-a-switch), [the ready queue over
//! time](c03_round_robin#the-ready-queue-over-time), [the life of a read](c06_poll_socket#the-life-of-a-read).
//!
//! # For those who come from elsewhere
//!
//! What you know, and what it is here; each row compiles:
//! [asyncio](from_asyncio), [Go](from_go), [threads](from_threads), [tokio](from_tokio). And
//! [the pitfalls](pitfalls), with what corobin does about each.

#[doc = include_str!("course/01_generator.md")]
#[doc = include_str!("course/stacks.svg")]
pub mod c01_generator {}

#[doc = include_str!("course/02_send_throw_close.md")]
pub mod c02_send_throw_close {}

#[doc = include_str!("course/03_round_robin.md")]
#[doc = include_str!("course/ready_queue.svg")]
pub mod c03_round_robin {}

#[doc = include_str!("course/04_sleep.md")]
pub mod c04_sleep {}

#[doc = include_str!("course/05_join_channel.md")]
pub mod c05_join_channel {}

#[doc = include_str!("course/06_poll_socket.md")]
#[doc = include_str!("course/life_of_a_read.svg")]
pub mod c06_poll_socket {}

#[doc = include_str!("course/07_async_await.md")]
pub mod c07_async_await {}

#[doc = include_str!("course/08_stackful_stackless.md")]
pub mod c08_stackful_stackless {}

#[doc = include_str!("course/09_cancel_scope.md")]
pub mod c09_cancel_scope {}

#[doc = include_str!("course/10_asyncio_article.md")]
pub mod c10_asyncio_article {}

#[doc = include_str!("course/11_threads.md")]
pub mod c11_threads {}

#[doc = include_str!("course/12_debugging.md")]
pub mod c12_debugging {}

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
