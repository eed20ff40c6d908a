"""The commands of ``mistralrs plugins`` that do more than list: one file each."""
