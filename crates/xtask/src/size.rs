//! The size of what the page loads, compressed as static hosts do.

use std::fs;
use std::io::Write as _;

use crate::run::{Done, root};

/// The budget for everything, in bytes after brotli. It was 200,000 for nine families and full fine-tuning, and 240,000 with the timeline, the
/// replay of the allocator and experts. Some fifty families, sixty optimizers, adapters, quantised bases, losses and kernels,
/// objectives, several GPUs, any model of the hub and the words for all of it in two languages were 135,000 more. What a rank holds under
/// Megatron-LM, DeepSpeed, tensor, pipeline and context parallelism, each with layers or schedules of its own, recurrent layers, optimizers
/// that update inside backward and the pictures of the mesh were another 70,000; state-space hybrids, speech, prefix tuning, adapters on experts
/// and under FSDP, with the words for each, 22,000: three seconds on a slow mobile line, once, since the page works offline after.
const BUDGET: usize = 475_000;

/// Prints each file's size and checks the sum against the budget.
pub(crate) fn report() -> Done {
    let folder = root().join("dist");
    let unreadable = |error: std::io::Error| format!("dist/ could not be read: {error}.");
    let mut sum = 0;
    for file in fs::read_dir(folder).map_err(unreadable)? {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "html") && !path.ends_with("index.html") {
            // Loaded when a reader opens it.
            continue;
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        let compressed = compressed(&bytes).map_err(unreadable)?;
        sum += compressed;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("  {compressed:>8} B of {:>8} B  {name}", bytes.len());
    }
    println!("  {sum:>8} B in all, brotli; the budget is {BUDGET} B");
    if sum <= BUDGET {
        Ok(())
    } else {
        Err(format!("The page loads {sum} B, more than its budget of {BUDGET} B."))
    }
}

fn compressed(bytes: &[u8]) -> std::io::Result<usize> {
    let mut compressed = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::new(&mut compressed, 1 << 16, 11, 22);
        writer.write_all(bytes)?;
        writer.flush()?;
    }
    Ok(compressed.len())
}
