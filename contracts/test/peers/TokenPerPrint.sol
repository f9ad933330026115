// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";

/// @dev What a ledger of prints often is: a token minted for every print, enumerable so that an auditor can count
/// them. It checks a count and nothing else: no signature, no window, no printer. Only for comparing gas.
contract TokenPerPrint is ERC721Enumerable {
    mapping(bytes32 licence => uint256 left) public prints;

    constructor() ERC721("Prints", "PRINT") {}

    function grant(bytes32 licence, uint256 count) external {
        prints[licence] = count;
    }

    function recordPrint(bytes32 licence, address provider, bytes32 token) external {
        prints[licence] -= 1;
        _mint(provider, uint256(token));
    }
}
