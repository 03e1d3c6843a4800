"""The checkpoint's tokens and the layout of a prompt.

Text is bytes (a byte-level BPE without merges); control tokens and semantic tokens follow them. A prompt is one
system block, then turns of user text and assistant speech, exactly as the S2 family lays them out.
"""

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<|phoneme_start|>", "<|phoneme_end|>", "<|text|>",
           "<|voice|>", "<|interleave|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>"]
TOKEN = {name: 256 + i for i, name in enumerate(CONTROL)}
SEMANTIC = 256 + len(CONTROL)  # id of <|semantic:0|>
END = TOKEN["<|im_end|>"]
PAD = TOKEN["<|pad|>"]

# The split rule of the S2 family's tokenizer files.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")


def text_ids(text):
    return list(text.encode())


def block(role, *parts):
    """<|im_start|>role ... <|im_end|> and a newline; parts are strings or lists of ids."""
    ids = [TOKEN["<|im_start|>"], *text_ids(role + "\n")]
    for part in parts:
        ids += text_ids(part) if isinstance(part, str) else part
    return ids + [END, *text_ids("\n")]


PLAIN_SYSTEM = block("system", "convert the provided text to speech")
ANSWER = [TOKEN["<|im_start|>"], *text_ids("assistant\n"), TOKEN["<|voice|>"]]  # speech follows


def reference_system(text, semantic_ids):
    """The system block of one reference: its text and its speech."""
    return block("system", "convert the provided text to speech reference to the following:\n\nText:\n",
                 "<|speaker:0|>" + text, "\n\nSpeech:\n", semantic_ids)


def byte_characters():
    """The printable character that stands for every byte in a byte-level vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters, extra = {}, 0
    for byte in range(256):
        if byte in printable:
            characters[byte] = chr(byte)
        else:
            characters[byte] = chr(256 + extra)
            extra += 1
    return characters


def tokenizer(semantic_entries):
    """tokenizer.json as a dictionary."""
    names = CONTROL + [f"<|semantic:{i}|>" for i in range(semantic_entries)]
    added = [dict(id=256 + i, content=name, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i, name in enumerate(names)]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    return dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=dict(type="NFC"),
        pre_tokenizer=dict(type="Sequence", pretokenizers=[
            dict(type="Split", pattern=dict(Regex=SPLIT), behavior="Isolated", invert=False), level]),
        post_processor=level,
        decoder=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                   fuse_unk=False, byte_fallback=False, ignore_merges=False,
                   vocab={c: byte for byte, c in byte_characters().items()}, merges=[]))
