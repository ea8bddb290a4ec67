//! The command `lodestore`.

fn main() {
    std::process::exit(lodestore_cli::run(std::env::args_os()));
}
