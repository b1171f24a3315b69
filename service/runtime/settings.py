"""Settings of the service: read once, when it starts, from the command line and COPYSIGHT_* variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from copysight.pictures.decode import Limits
from copysight.system import processors


class Settings(BaseSettings):
    """Every setting of ``copysight serve``; each also comes from COPYSIGHT_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="COPYSIGHT_", frozen=True, extra="forbid")

    index: Path = Field(Path("index"), description="Directory of the index; made, empty, if it is not there.")
    bundle: str = Field("default", description="Bundle of an index that is made: a directory, or `default`.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    auth: str = Field(
        "",
        pattern="^(none|keys)?$",
        description="`keys`: every request shows an API key; `none`: nobody is asked. Left out: keys, but on loopback.",
    )
    cors_origins: str = Field(
        "",
        pattern=r"^(\*|https?://[^/,\s]+(,https?://[^/,\s]+)*)?$",
        description="Sites whose pages may ask: `https://photos.example`, by commas; `*`: all. Empty: none else.",
    )
    provider: str = Field(
        "auto",
        pattern="^(auto|cuda|openvino|cpu)$",
        description="What runs the model: cuda, openvino, cpu; auto: the first of them that starts here.",
    )
    variant: str = Field("auto", description="Precision of queries; auto: the fastest here that is as good.")
    runners: int = Field(0, ge=0, description="Model calls at a time; 0: one for each core.")
    decoders: int = Field(
        0, ge=0, description="Threads that decode pictures; 0: on a CPU the model's own, on a GPU one for each core."
    )
    decode: str = Field(
        "thread",
        pattern="^(thread|process)$",
        description="Where pictures are decoded: `thread`, or `process`, which a hostile file may break unpunished.",
    )
    decode_memory: int = Field(2 * 2**30, ge=64 * 2**20, description="Bytes that a decoding process may take.")
    decode_seconds: float = Field(10.0, gt=0, description="Seconds that a decoding process may take for one picture.")
    fetch_hosts: str = Field(
        "",
        description="Hosts to fetch pictures from by URL, by commas: `name`, `name:port`, `*.name`, `*`. Empty: none.",
    )
    fetch_networks: str = Field(
        "", description="Private networks that may be fetched from all the same, `10.1.0.0/16` say; by commas."
    )
    fetch_seconds: float = Field(10.0, gt=0, description="Seconds that a fetch may take, with its redirects.")
    batch: int = Field(0, ge=0, description="Most pictures of one model call; 0: 1 on a CPU, 64 on a GPU.")
    queue: int = Field(256, ge=1, description="Most pictures that wait; beyond it requests get 503.")
    deadline: float = Field(30.0, gt=0, description="Seconds after which a request is given up with 504.")
    max_body: int = Field(64 * 2**20, ge=1024, description="Most bytes of a request.")
    max_bodies: int = Field(
        512 * 2**20, ge=1024, description="Most bytes of all requests at a time; beyond it requests get 503."
    )
    max_bytes: int = Field(32 * 2**20, ge=1024, description="Most bytes of one picture.")
    max_pixels: int = Field(100_000_000, ge=64, description="Most pixels of one picture.")
    max_items: int = Field(64, ge=1, description="Most pictures of one request.")
    max_k: int = Field(1000, ge=1, description="Most matches that can be asked for.")

    rebuild_every: float = Field(
        0.0, ge=0, description="Hours between rebuilds of an index that changes; 0: none by the clock."
    )
    rebuild_when_due: bool = Field(
        True, description="Rebuild when what is newer than the generation outgrows a tenth of it."
    )

    @property
    def origins(self) -> tuple[str, ...]:
        """Sites whose pages may ask."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    @property
    def limits(self) -> Limits:
        """What one picture may cost."""
        return Limits(max_bytes=self.max_bytes, max_pixels=self.max_pixels)

    @property
    def cores(self) -> int:
        """Processors that this process may use."""
        return processors.available()
