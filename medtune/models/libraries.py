"""Leave the terminal to medtune: what matters in the libraries' messages is raised or reported."""

import warnings


def quiet_libraries() -> None:
    """Silence progress bars and advice that no user of medtune can act on."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # peft 0.21 asks transformers 5 for a property under its old name.
    warnings.filterwarnings(
        "ignore", message=r".*is_gradient_checkpointing.*", category=FutureWarning
    )
    # bitsandbytes 0.50 casts float32 activations for its 8-bit product; that is how it works.
    warnings.filterwarnings("ignore", message=r".*MatMul8bitLt.*")
